from __future__ import annotations

from typing import Any

import pytest
from graph.definitions import edge, issues, node, told
from graph.json_strategies import json_objects, json_values
from hypothesis import given
from hypothesis import strategies as st

from cairn.graph.model import Definition
from cairn.graph.nodes import KINDS
from cairn.graph.validate import ValidationContext, validate

START, END = node("s", "start"), node("z", "end")


def test_a_graph_of_every_kind_is_valid() -> None:
    nodes = [
        node("s", "start", input_schema={"type": "object"}),
        node("agent", "agent", prompt="Plan {{ query }}", system="Be brief", tools=["search"], output="plan"),
        node("tool", "tool", tool="search", arguments={"q": "input.query", "n": 3}),
        node("http", "http", url="https://example.org/{{ query }}", body="{'q': state.plan}"),
        node("code", "code", code="def run(input, state, n): return n", arguments={"n": "outputs.http.status"}),
        node("mcp", "mcp", server="files", tool="read", arguments={"path": "input.query"}),
        node("score", "score", of="outputs.mcp", rubric=[{"name": "Short"}], threshold=0.5),
        node("c", "condition"),
        node("t", "transform", set={"n": "state.n + 1"}),
        node("p", "parallel"),
        node("left", "transform", set={"l": "1"}),
        node("right", "transform", set={"r": "2"}),
        node("j", "join"),
        node("z", "end", output={"plan": "state.plan", "branches": "outputs.j"}),
        node("failed", "end", status="failed", error="It broke: {{ outputs.http.error.message }}"),
    ]
    edges = [
        edge("s>agent"),
        edge("agent>tool"),
        edge("tool>http"),
        edge("http>code"),
        edge("code>mcp"),
        edge("mcp>score"),
        edge("score>c"),
        edge("http>failed", on="error"),
        edge("agent>failed", on="timeout"),
        edge("c>t", label="again", expression="state.n < 3"),
        edge("c>p", label="enough"),
        edge("t>agent"),
        edge("p>left", label="left"),
        edge("p>right", label="right"),
        edge("left>j"),
        edge("right>j"),
        edge("j>z"),
    ]
    state = {"n": {"reducer": "replace", "default": 0, "schema": {"type": "integer"}}, "plan": {}}
    assert issues(nodes, edges, ValidationContext(known_tools=frozenset({"search"})), state=state) == []


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "Workflow must have at least one Start Call"),
        ([END], "Workflow must have at least one Start Call"),
        ([START, node("s2", "start")], "Workflow can have at most one Start"),
        ([START, node("c", "startCall", prompt="Hi")], "Workflow can have a Start or a Start Call, not both"),
    ],
)
def test_one_entrance(nodes: list[dict[str, Any]], message: str) -> None:
    assert ("workflow", None, None, message) in told(issues(nodes, []))


def test_every_error_at_once() -> None:
    nodes = [
        node("s", "start"),
        node("s", "end", output={"x": "input."}),
        {"id": "a", "type": "agent", "data": {"name": " ", "prompt": "", "tools": ["a", 5], "system": "{{ x"}},
        {"id": "b", "type": "agent", "data": {"prompt": None, "max_turns": "many", "model": ""}},
        node("t", "tool", tool="nope", arguments={"a": "foo", "b": "outputs.nobody.x"}, retry={"max_attempts": 0}),
        node("h", "http", method="FETCH", url="{{ a + 1 }}", headers={"X": "{% set a = 1 %}"}),
        node("q", "queue"),
        node(
            "g",
            "agent",
            prompt="p",
            output_schema={"type": "thing"},
            compensate={"tool": "undo", "arguments": {"x": "1 +"}},
        ),
    ]
    edges = [
        edge("a>nowhere", label=" "),
        edge("nowhere>elsewhere", expression="1 + 1"),
        edge("a>b", on="later"),
        edge("a>b", expression="bar"),
    ]
    found = told(issues(nodes, edges, ValidationContext(known_tools=frozenset({"search"}))))
    expected = {
        ("node", "s", "id", "Duplicate node id: 's'"),
        ("edge", "a>b", "id", "Duplicate edge id: 'a>b'"),
        ("node", "a", "data.name", "Name is required"),
        ("node", "a", "data.prompt", "Prompt is required"),
        ("node", "a", "data.tools.1", "1: input should be a valid string"),
        ("node", "b", "data.name", "Name is required"),
        ("node", "b", "data.prompt", "Prompt is required"),
        ("node", "b", "data.model", "Model is required"),
        ("node", "t", "data.tool", "Unknown tool: 'nope'"),
        ("node", "t", "data.arguments.a", "Expression is not valid: unknown name 'foo' (column 1)"),
        ("node", "t", "data.arguments.b", "Expression is not valid: no node has the id 'nobody'"),
        ("node", "t", "data.retry.max_attempts", "Max attempts: input should be greater than or equal to 1"),
        ("node", "q", "type", "Unknown node type: 'queue'"),
        ("node", "g", "data.compensate.tool", "Unknown tool: 'undo'"),
        ("edge", "a>nowhere", "target", "Edge target does not exist: 'nowhere'"),
        ("edge", "nowhere>elsewhere", "source", "Edge source does not exist: 'nowhere'"),
        ("edge", "nowhere>elsewhere", "target", "Edge target does not exist: 'elsewhere'"),
        ("edge", "a>nowhere", "data.label", "Label is required"),
        ("edge", "a>b", "data.on", "On must be success, error or timeout"),
        ("edge", "nowhere>elsewhere", "data.expression", "Expression must be true or false"),
        ("edge", "a>b", "data.expression", "Expression is not valid: unknown name 'bar' (column 1)"),
    }
    assert expected <= found
    fields = {(kind, subject, field) for kind, subject, field, _ in found}
    assert {
        ("node", "s", "data.output.x"),
        ("node", "a", "data.system"),
        ("node", "b", "data.max_turns"),
        ("node", "h", "data.method"),
        ("node", "h", "data.url"),
        ("node", "h", "data.headers.X"),
        ("node", "g", "data.output_schema"),
        ("node", "g", "data.compensate.arguments.x"),
    } <= fields


def test_what_our_own_rules_say_stands_alone() -> None:
    nodes = [START, node("m", "map", items="[1]"), node("w", "wait", seconds=1, until="now"), END]
    found = {each.message for each in issues(nodes, [edge("s>m"), edge("m>w"), edge("w>z")])}
    assert "A map has exactly one of workflow_id and body" in found
    assert "A wait has exactly one of seconds, until and event" in found


def test_tools_are_checked_only_where_they_are_known() -> None:
    nodes, edges = [START, node("t", "tool", tool="anything"), END], [edge("s>t"), edge("t>z")]
    assert issues(nodes, edges) == []
    assert told(issues(nodes, edges, ValidationContext(known_tools=frozenset()))) == {
        ("node", "t", "data.tool", "Unknown tool: 'anything'")
    }


def test_a_tool_is_called_again_only_if_it_says_so_and_nobody_approves_or_undoes_it() -> None:
    known = ValidationContext(known_tools=frozenset({"twice", "once"}), repeatable_tools=frozenset({"twice"}))
    asked = {"tool": "twice", "require_approval": True, "compensate": {"tool": "once"}}

    def found(**data: Any) -> set[Any]:
        return told(issues([START, node("t", "tool", repeatable=True, **data), END], [edge("s>t"), edge("t>z")], known))

    assert found(tool="twice") == set()
    assert {(field, said.partition(":")[0]) for _, _, field, said in found(tool="once")} == {
        ("data.repeatable", "'once' does not declare that it may be called again")
    }
    assert {field for _, _, field, _ in found(tool="nope")} == {"data.tool"}
    assert [field for _, _, field, _ in found(**asked)] == ["data.repeatable"] * 2


def test_declarations() -> None:
    found = told(
        issues(
            [START, END],
            [edge("s>z")],
            input_schema={"type": "nope"},
            output_schema={"$ref": "http://example.org/schema"},
            state={
                "a": {"schema": {"type": "integer"}, "default": "x"},
                "b": {"reducer": "append", "default": 3},
                "c": {"schema": {"type": "nope"}, "default": 1},
                "d": {"reducer": "sum", "default": "1"},
                "ok": {"reducer": "append", "schema": {"type": "array"}, "default": []},
                " ": {},
            },
        )
    )
    assert {field for _, _, field, _ in found} == {
        "input_schema",
        "output_schema",
        "state.a.default",
        "state.b.default",
        "state.c.schema",
        "state.d.default",
        "state. ",
    }
    assert ("workflow", None, "state.a.default", 'Default breaks the schema: "x" is not of type "integer"') in found


def test_ends_of_the_graph() -> None:
    found = told(issues([START, END], [edge("s>z"), edge("z>s")]))
    assert found == {
        ("node", "s", None, "Start cannot have incoming edges"),
        ("node", "z", None, "End cannot have outgoing edges"),
    }


def test_warnings_do_not_invalidate() -> None:
    nodes = [START, END, node("island", "transform", set={}), node("dead end", "transform", set={})]
    found = issues(nodes, [edge("s>z"), edge("s>dead end"), edge("island>z")])
    assert told(found) == set()
    assert told(found, "warning") == {
        ("node", "island", None, "Node cannot be reached from the start"),
        ("node", "dead end", None, "No edge leads on from here; only an End ends an execution"),
        (
            "edge",
            "s>dead end",
            "data.expression",
            "Edge is never taken: an earlier edge of its source has no expression either",
        ),
    }


def test_cycles_are_legal() -> None:
    nodes = [START, node("a", "transform", set={}), node("b", "transform", set={})]
    assert issues(nodes, [edge("s>a"), edge("a>b"), edge("b>a"), edge("a>a", expression="false")]) == []


def test_a_condition_has_one_else() -> None:
    nodes = [START, node("c", "condition"), END]
    edges = [edge("s>c"), edge("c>z", expression="input.a"), edge("c>z"), edge("c>c"), edge("c>s", expression="1")]
    edges = [{**e, "id": f"{i}"} for i, e in enumerate(edges)]
    found = told(issues(nodes, edges))
    assert ("edge", "3", "data.expression", "Condition can have at most one edge without an expression") in found
    assert ("edge", "4", "data.expression", "Expression must be true or false") in found


def test_failure_edges_stand_where_something_can_fail() -> None:
    nodes = [START, node("c", "condition"), node("t", "transform", set={}), node("a", "agent", prompt="x"), END]
    path = [edge("s>c"), edge("c>t"), edge("t>a"), edge("a>z")]
    good = [edge("a>t", on="error"), edge("a>c", on="timeout"), edge("t>z", on="error"), edge("c>z", on="error")]
    assert issues(nodes, path + good) == []
    bad = [edge("s>z", on="error"), edge("t>c", on="timeout"), edge("c>a", on="timeout")]
    assert told(issues(nodes, path + bad)) == {
        ("edge", "s>z", "data.on", "Start cannot have an error edge"),
        ("edge", "t>c", "data.on", "Transform cannot time out"),
        ("edge", "c>a", "data.on", "Condition cannot time out"),
    }


PARALLEL = [START, node("p", "parallel"), node("a", "transform", set={}), node("b", "transform", set={})]


def test_branches_have_labels_of_their_own() -> None:
    nodes = [*PARALLEL, node("j", "join"), END]
    tail = [edge("a>j"), edge("b>j"), edge("j>z")]
    assert issues(nodes, [edge("s>p"), edge("p>a"), edge("p>b"), *tail]) == []
    found = told(issues(nodes, [edge("s>p"), edge("p>a", label="x"), edge("p>b", label="x", expression="true"), *tail]))
    assert found == {
        ("edge", "p>b", "data.label", "Duplicate branch label: 'x'; a Join returns results by label"),
        ("edge", "p>b", "data.expression", "Every edge of a Parallel is a branch; it cannot have an expression"),
    }


def test_a_parallel_has_branches() -> None:
    message = ("node", "p", None, "Parallel must have at least 1 outgoing edge(s)")
    assert message in told(issues([START, node("p", "parallel")], [edge("s>p")]))


def test_a_join_is_reached_by_branches() -> None:
    message = "Join is reached by no branch of a Parallel"
    joined = [*PARALLEL, node("j", "join"), node("j2", "join"), END]
    edges = [edge("s>p"), edge("p>a"), edge("p>b"), edge("a>j"), edge("b>j"), edge("j>j2"), edge("j2>z")]
    assert told(issues(joined, edges)) == {("node", "j2", None, message)}
    assert told(issues([START, node("j", "join"), END], [edge("s>j"), edge("j>z")])) == {("node", "j", None, message)}


def test_parallels_inside_parallels() -> None:
    nodes = [*PARALLEL, node("inner", "parallel"), node("c", "transform", set={}), node("d", "transform", set={})]
    nodes += [node("j1", "join"), node("j2", "join"), END]
    edges = [edge("s>p"), edge("p>a"), edge("p>inner"), edge("inner>c"), edge("inner>d")]
    edges += [edge("c>j1"), edge("d>j1"), edge("j1>j2"), edge("a>j2"), edge("j2>z")]
    assert told(issues(nodes, edges)) == set()


def test_branches_that_never_meet_are_a_warning() -> None:
    nodes = [*PARALLEL, END]
    found = issues(nodes, [edge("s>p"), edge("p>a"), edge("p>b"), edge("a>z"), edge("b>z")])
    assert told(found, "warning") == {("node", "p", None, "No Join can be reached from the branches of this Parallel")}


def test_a_label_may_be_absent_but_not_blank() -> None:
    assert issues([START, END], [edge("s>z")]) == []
    assert told(issues([START, END], [edge("s>z", label="")])) == {("edge", "s>z", "data.label", "Label is required")}


def test_writing_an_undeclared_state_key_is_allowed() -> None:
    nodes = [START, node("a", "agent", prompt="x", output="draft"), END]
    assert issues(nodes, [edge("s>a"), edge("a>z")], state={"other": {}}) == []


def test_what_is_quoted_may_be_any_text() -> None:
    nodes = [START, node("t", "tool", tool="x", arguments={"\ud800": "\ud800"}), END]
    found = issues(nodes, [edge("s>t"), edge("t>z")])
    assert [i.field for i in found] == ["data.arguments.\ufffd"]


# Properties.

_ids = st.sampled_from(["a", "b", "c", "", " ", "é"])
_types = st.sampled_from([*KINDS, "unknown", ""])
_members = st.dictionaries(
    st.sampled_from(
        [
            *(
                "name",
                "checkpoint",
                "retry",
                "compensate",
                "timeout",
                "output",
                "label",
                "expression",
                "condition",
                "on",
            ),
            *("prompt", "tool", "url", "set", "arguments", "status", "headers", "body", "trigger_path", "mode"),
            *("extraction_variables", "input_schema", "output_schema"),
        ]
    ),
    json_values | st.sampled_from(["state.x > 1", "{{ a }}", "{{", "error", "input."]),
    max_size=6,
)
_nodes = st.fixed_dictionaries({"id": _ids, "type": _types, "data": _members | json_objects})
_edges = st.fixed_dictionaries({"id": _ids, "source": _ids, "target": _ids, "data": _members | json_objects})
_state = st.dictionaries(
    st.text(max_size=3),
    st.fixed_dictionaries(
        {
            "schema": st.none() | json_objects | st.just({"type": "integer"}),
            "reducer": st.sampled_from(["replace", "append", "merge", "sum"]),
            "default": json_values,
        }
    ),
    max_size=3,
)


@given(
    st.fixed_dictionaries(
        {
            "nodes": st.lists(_nodes, max_size=6),
            "edges": st.lists(_edges, max_size=8),
            "state": _state,
            "input_schema": st.none() | json_objects,
        }
    )
)
def test_any_definition_is_judged_and_never_raises(raw: dict[str, Any]) -> None:
    try:
        definition = Definition.model_validate(raw)
    except ValueError:
        return  # not a definition at all: refused where it comes in
    found = validate(definition, ValidationContext(frozenset({"search"}), frozenset(), frozenset()))
    assert found == validate(definition, ValidationContext(frozenset({"search"}), frozenset(), frozenset()))
    for issue in found:
        assert issue.message
        issue.model_dump_json()
