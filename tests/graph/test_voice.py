"""Voice graphs: the rules and messages that their clients know."""

from __future__ import annotations

from typing import Any

import pytest
from graph.definitions import define, edge, issues, node, told

from cairn.graph.compiled import compile_graph
from cairn.graph.validate import ValidationContext

CALL = [
    node("s", "startCall", prompt="Greet {{ first_name | there }}", greeting_type="text", greeting="Hi {{first_name}}"),
    node(
        "a", "agentNode", prompt="Ask", extraction_enabled=True, extraction_variables=[{"name": "n", "type": "number"}]
    ),
    node("e", "endCall", prompt="Bye"),
    node("g", "globalNode", prompt="Be kind"),
    node("t", "trigger", trigger_path="my-path_1"),
    node(
        "w",
        "webhook",
        http_method="POST",
        endpoint_url="https://example.org",
        custom_headers=[{"key": "a", "value": "b"}],
    ),
    node("q", "qa", qa_sample_rate=50),
]
EDGES = [
    edge("s>a", label="go", condition="The caller agrees"),
    edge("a>a", label="again", condition="More to ask", transition_speech="One moment", transition_speech_type="text"),
    edge("a>e", label="done", condition="Nothing more"),
]


def test_a_complete_call_is_valid() -> None:
    assert issues(CALL, EDGES) == []


def test_every_text_that_a_call_renders_is_checked() -> None:
    wrong = "{{ a"
    nodes = [
        *CALL[:-2],
        node("x", "agentNode", prompt="Ask", extraction_prompt=wrong),
        node(
            "w",
            "webhook",
            endpoint_url=wrong,
            custom_headers=[{"key": "a", "value": "b"}, {"key": "c", "value": wrong}],
            payload_template={"fine": "{{ a.b | c }}", "list": [1, {"deep": wrong}]},
        ),
        node("q", "qa", qa_system_prompt=wrong),
    ]
    ways = [
        edge("s>x", label="x", condition="x", transition_speech=wrong),
        edge("x>e", label="x", condition="x", transition_speech=wrong, transition_speech_type="audio"),
    ]
    found = [(each.id, each.field, each.message) for each in issues(nodes, [*EDGES, *ways])]
    assert {message.partition(":")[0] for _, _, message in found} == {"Text is not valid"}
    assert [(subject, field) for subject, field, _ in found] == [
        ("x", "data.extraction_prompt"),
        ("w", "data.endpoint_url"),
        ("w", "data.custom_headers.1.value"),
        ("w", "data.payload_template.list.1.deep"),
        ("q", "data.qa_system_prompt"),
        ("s>x", "data.transition_speech"),
    ]


def test_a_complete_call_can_be_executed() -> None:
    assert compile_graph(define(CALL, EDGES).model_dump(by_alias=True)).start == "s"


def test_a_trigger_does_not_keep_a_graph_from_being_executed() -> None:
    nodes = [node("s", "start"), node("z", "end"), node("t", "trigger", trigger_path="p")]
    assert issues(nodes, [edge("s>z")]) == []
    assert compile_graph(define(nodes, [edge("s>z")]).model_dump(by_alias=True)).start == "s"


def test_counts() -> None:
    nodes = [*CALL, node("s2", "startCall", prompt="x"), node("g2", "globalNode", prompt="x"), node("t2", "trigger")]
    messages = {message for kind, _, _, message in told(issues(nodes, EDGES)) if kind == "workflow"}
    assert messages == {
        "Workflow can have at most one Start Call",
        "Workflow can have at most one Global Node",
        "Workflow can have at most one Trigger",
    }


def test_edges_in_and_out() -> None:
    extra = [edge(ends, label=ends, condition="x") for ends in ("a>s", "e>a", "a>g", "g>a", "w>a", "a>q", "a>t")]
    found = told(
        issues([*CALL, node("lonely", "agentNode", prompt="x"), node("end", "endCall", prompt="x")], EDGES + extra)
    )
    assert found == {
        ("node", "s", None, "Start Call cannot have incoming edges"),
        ("node", "e", None, "End Call cannot have outgoing edges"),
        ("node", "g", None, "Global Node cannot have incoming edges"),
        ("node", "g", None, "Global Node cannot have outgoing edges"),
        ("node", "w", None, "Webhook cannot have outgoing edges"),
        ("node", "q", None, "QA cannot have incoming edges"),
        ("node", "t", None, "Trigger cannot have incoming edges"),
        ("node", "lonely", None, "Agent Node must have at least 1 incoming edge(s)"),
        ("node", "end", None, "End Call must have at least 1 incoming edge(s)"),
    }


@pytest.mark.parametrize("prompt", [None, "", "  \n"])
@pytest.mark.parametrize("kind", ["startCall", "agentNode", "endCall", "globalNode"])
def test_a_prompt_is_required(kind: str, prompt: str | None) -> None:
    for data in ({"prompt": prompt}, {}):
        broken = {"id": "n", "type": kind, "data": {"name": "n", **data}}
        assert ("node", "n", "data.prompt", "Prompt is required") in told(issues([broken], []))


def test_labels_and_conditions_are_required() -> None:
    edges = [edge("s>a"), edge("a>e", label=" ", condition=""), edge("a>a", label="x", expression="input.n > 1")]
    assert told(issues(CALL, edges)) == {
        ("edge", "s>a", "data.label", "Label is required"),
        ("edge", "s>a", "data.condition", "Condition is required"),
        ("edge", "a>e", "data.label", "Label is required"),
        ("edge", "a>e", "data.condition", "Condition is required"),
    }


def test_labels_of_one_node_make_different_tool_names() -> None:
    edges = [*EDGES, edge("a>e", label="Done", condition="x")]
    edges[-1]["id"] = "twice"
    assert told(issues(CALL, edges)) == {
        ("edge", "twice", "data.label", "Duplicate tool name 'done' from edge label 'Done'")
    }
    assert issues(CALL, [*EDGES[:2], edge("a>e", label="go", condition="the label of another node's edge")]) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a" * 37, "Trigger path can have at most 36 characters"),
        ("a b", "Trigger path can have only letters, digits, hyphens and underscores"),
        ("ä", "Trigger path can have only letters, digits, hyphens and underscores"),
        ("a\n", "Trigger path can have only letters, digits, hyphens and underscores"),
    ],
)
def test_trigger_paths(path: str, message: str) -> None:
    nodes = [*CALL[:4], node("t", "trigger", trigger_path=path)]
    assert told(issues(nodes, EDGES)) == {("node", "t", "data.trigger_path", message)}


@pytest.mark.parametrize("path", ["", None, "a" * 36, "A-z_0"])
def test_good_trigger_paths(path: str | None) -> None:
    assert issues([*CALL[:4], node("t", "trigger", trigger_path=path)], EDGES) == []


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        ("startCall", {"prompt": "x", "delayed_start_duration": 0.01}, "data.delayed_start_duration"),
        ("startCall", {"prompt": "x", "delayed_start_duration": 11}, "data.delayed_start_duration"),
        ("startCall", {"prompt": "x", "greeting_type": "video"}, "data.greeting_type"),
        ("startCall", {"prompt": "x", "pre_call_fetch_mode": "sometimes"}, "data.pre_call_fetch_mode"),
        (
            "agentNode",
            {"prompt": "x", "extraction_variables": [{"name": "n", "type": "date"}]},
            "data.extraction_variables.0.type",
        ),
        (
            "agentNode",
            {"prompt": "x", "extraction_variables": [{"name": "n", "type": "string"}, {"name": "n", "type": "number"}]},
            "data.extraction_variables",
        ),
        ("agentNode", {"prompt": "x", "tool_uuids": "abc"}, "data.tool_uuids"),
        ("qa", {"qa_sample_rate": 0}, "data.qa_sample_rate"),
        ("qa", {"qa_sample_rate": 101}, "data.qa_sample_rate"),
        ("webhook", {"custom_headers": [{"key": "a"}]}, "data.custom_headers.0.value"),
        ("webhook", {"http_method": "SEND"}, "data.http_method"),
    ],
)
def test_bounds_of_the_data(kind: str, data: dict[str, Any], field: str) -> None:
    assert field in {i.field for i in issues([node("n", kind, **data)], []) if i.id == "n"}


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"qa_provider": "openai", "qa_model": "m"}, set()),
        ({"qa_model": "openai:m"}, set()),
        ({"qa_model": "offline"}, set()),
        ({"qa_provider": "openai", "qa_model": "m", "qa_endpoint": "https://x.example/v1"}, set()),
        ({"qa_provider": "azure", "qa_model": "m", "qa_endpoint": "https://x.example", "qa_api_key": "k"}, set()),
        ({"qa_provider": "openrouter", "qa_model": "a/m", "qa_api_key": "k"}, set()),
        ({"qa_provider": "mystery", "qa_model": "m"}, {"qa_provider"}),
        ({"qa_model": "m"}, {"qa_provider"}),
        ({"qa_provider": "openai"}, {"qa_model"}),
        ({"qa_provider": "openai", "qa_model": "default"}, {"qa_model"}),
        ({}, {"qa_model"}),
        ({"qa_provider": "azure", "qa_model": "m"}, {"qa_endpoint", "qa_api_key"}),
        ({"qa_provider": "anthropic", "qa_model": "m", "qa_endpoint": "https://x.example"}, {"qa_api_key"}),
        ({"qa_provider": "openai", "qa_model": "m", "qa_endpoint": "file:///etc/passwd"}, {"qa_endpoint"}),
        ({"qa_provider": "openai", "qa_model": "m", "qa_api_key": "a\nb"}, {"qa_api_key"}),
        (
            {"qa_provider": "local", "qa_endpoint": "https://x.example", "qa_api_key": "k"},
            {"qa_endpoint", "qa_api_key"},
        ),
    ],
)
def test_a_review_with_a_model_of_its_own_names_it_in_full(data: dict[str, Any], found: set[str]) -> None:
    nodes = [*CALL, node("own", "qa", qa_use_workflow_llm=False, **data)]
    assert {i.field for i in issues(nodes, EDGES)} == {f"data.{name}" for name in found}
    unused = [*CALL, node("own", "qa", **data), node("off", "qa", qa_enabled=False, qa_use_workflow_llm=False, **data)]
    assert issues(unused, EDGES) == []


def test_filters_of_mcp_servers_are_refused_not_ignored() -> None:
    nodes = [*CALL[:1], node("a", "agentNode", prompt="x", mcp_tool_filters={"shop": ["refund"]}), *CALL[2:]]
    (found,) = issues(nodes, EDGES)
    assert (found.id, found.field) == ("a", "data.mcp_tool_filters")
    nodes[1]["data"]["mcp_tool_filters"] = {}
    assert issues(nodes, EDGES) == []


def test_references_to_tools_and_documents() -> None:
    nodes = [*CALL[:1], node("a", "agentNode", prompt="x", tool_uuids=["t1", "t2"], document_uuids=["d1"]), *CALL[2:]]
    assert issues(nodes, EDGES) == []
    context = ValidationContext(known_tool_uuids=frozenset({"t1"}), known_document_uuids=frozenset())
    assert told(issues(nodes, EDGES, context)) == {
        ("node", "a", "data.tool_uuids", "Unknown tool: 't2'"),
        ("node", "a", "data.document_uuids", "Unknown document: 'd1'"),
    }


def test_speaking_nodes_need_a_call() -> None:
    nodes = [node("s", "start"), node("a", "agentNode", prompt="x"), node("z", "end")]
    assert told(issues(nodes, [edge("s>a"), edge("a>z")]), "warning") == {
        ("node", "a", "type", "Agent Node runs only after a Start Call")
    }


def test_a_call_cannot_go_several_ways_at_once() -> None:
    nodes = [*CALL[:3], node("p", "parallel"), node("j", "join")]
    ends = [edge("s>p", label="a", condition="x"), edge("p>a", label="b", condition="x")]
    edges = [*ends, edge("a>j", label="c", condition="x"), edge("j>e", label="d", condition="x")]
    assert ("node", "a", "type", "Agent Node cannot stand inside a Parallel: a call goes one way") in told(
        issues(nodes, edges)
    )
