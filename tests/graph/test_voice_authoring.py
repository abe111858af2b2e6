"""What authors of voice graphs are told: every place by node and edge and field, all at once."""

from __future__ import annotations

from typing import Any

import pytest
from graph.definitions import edge, issues, node, told

START = node("s", "startCall", prompt="Greet")
END = node("e", "endCall", prompt="Bye")
GO = edge("s>e", label="go", condition="The caller agrees")


def asking(*variables: dict[str, Any], node_id: str = "s", kind: str = "startCall", **data: Any) -> dict[str, Any]:
    more = {"prompt": "Ask", "extraction_enabled": True, **data}
    return node(node_id, kind, extraction_variables=list(variables), **more)


def variable(name: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "type": kind}


@pytest.mark.parametrize("data", [{}, {"label": ""}, {"label": " \n"}, {"label": None}])
def test_a_label_is_required_of_every_edge_of_a_voice_graph(data: dict[str, Any]) -> None:
    ways = [edge("s>e", condition="x", **data), edge("s>e", expression="input.a == 1", **data)]
    ways += [edge("s>e", on="error", **data)]
    for number, way in enumerate(ways):
        way["id"] = f"way {number}"
    assert told(issues([START, END], ways)) == {
        ("edge", f"way {number}", "data.label", "Label is required") for number in range(3)
    }


def test_an_edge_that_is_wrong_elsewhere_is_told_of_its_label_and_condition_too() -> None:
    found = told(issues([START, END], [edge("s>e", on="sometimes", transition_speech=5)]))
    assert {field for _, _, field, _ in found} == {
        "data.on",
        "data.transition_speech",
        "data.label",
        "data.condition",
    }


def test_edges_that_no_model_judges_need_no_condition_and_are_no_tools() -> None:
    ways = [
        GO,
        edge("s>e", label="Go", on="error"),
        edge("s>e", label="GO", expression="input.vip == true"),
    ]
    for number, way in enumerate(ways):
        way["id"] = f"way {number}"
    assert told(issues([START, END], ways)) == set()
    twice = [GO, {**edge("s>e", label="Go", condition="x"), "id": "twice"}]
    assert told(issues([START, END], twice)) == {
        ("edge", "twice", "data.label", "Duplicate tool name 'go' from edge label 'Go'")
    }


@pytest.mark.parametrize("name", ["outputs", "input", "state", "execution", "initial_context", "gathered_context"])
def test_a_variable_that_the_engines_own_names_hide_is_an_error(name: str) -> None:
    message = f"Variable '{name}' could not be read: texts know something else by this name"
    found = told(issues([asking(variable("n"), variable(name)), END], [GO]))
    assert found == {("node", "s", "data.extraction_variables.1.name", message)}
    assert told(issues([asking(variable(name), extraction_enabled=False), END], [GO])) == set()


def test_names_of_a_maps_items_are_free_outside_of_maps() -> None:
    assert issues([asking(variable("item"), variable("index", "number")), END], [GO]) == []


@pytest.mark.parametrize(
    ("kind", "declared", "fits"),
    [
        ("number", {"schema": {"type": "integer"}}, True),
        ("number", {"schema": {"type": ["null", "number"]}}, True),
        ("string", {"schema": {"enum": ["a", "b"]}}, True),
        ("string", {"schema": {"type": "array"}, "reducer": "append"}, True),
        ("number", {"reducer": "sum"}, True),
        ("string", {"schema": {"type": "number"}}, False),
        ("boolean", {"schema": {"type": ["string", "null"]}}, False),
        ("boolean", {"reducer": "sum"}, False),
    ],
)
def test_a_variable_has_to_fit_the_state_key_of_its_name(kind: str, declared: dict[str, Any], fits: bool) -> None:
    found = told(issues([asking(variable("total", kind)), END], [GO], state={"total": declared}))
    message = f"State key 'total' takes no {kind}"
    assert found == (set() if fits else {("node", "s", "data.extraction_variables.0.type", message)})


def test_a_variable_of_two_types_is_a_warning() -> None:
    nodes = [asking(variable("size")), asking(variable("size", "number"), node_id="e", kind="endCall")]
    message = "Variable 'size' is a string at node 's'"
    assert told(issues(nodes, [GO]), "warning") == {("node", "e", "data.extraction_variables.0.type", message)}


def test_a_variable_that_webhooks_do_not_see_is_a_warning_where_there_is_one() -> None:
    asks, hook = asking(variable("transcript")), node("w", "webhook", endpoint_url="https://example.org")
    assert issues([asks, END], [GO]) == []
    message = "After the call 'transcript' is the call's own; this variable is gathered_context.transcript there"
    assert told(issues([asks, END, hook], [GO]), "warning") == {
        ("node", "s", "data.extraction_variables.0.name", message)
    }
    assert issues([asks, END, {**hook, "data": {**hook["data"], "enabled": False}}], [GO]) == []


@pytest.mark.parametrize("url", [{}, {"endpoint_url": None}, {"endpoint_url": ""}, {"endpoint_url": "  "}])
def test_a_webhook_without_a_url_is_a_warning(url: dict[str, Any]) -> None:
    found = issues([START, END, node("w", "webhook", **url)], [GO])
    message = "Nothing is sent: the webhook has no URL"
    assert told(found, "warning") == {("node", "w", "data.endpoint_url", message)} and told(found) == set()
    assert issues([START, END, node("w", "webhook", enabled=False, **url)], [GO]) == []


def test_header_names_are_those_of_http() -> None:
    headers = [{"key": key, "value": "v"} for key in ("X-Ok_1", "", "X Y", "Größe", "a:b", "a\r\nb")]
    hook = node("w", "webhook", endpoint_url="https://example.org", custom_headers=headers)
    rule = "Header name can have only letters, digits and !#$%&'*+-.^_`|~"
    assert told(issues([START, END, hook], [GO])) == {
        ("node", "w", "data.custom_headers.1.key", "Header name is required"),
        *(("node", "w", f"data.custom_headers.{number}.key", rule) for number in (2, 3, 4, 5)),
    }
    assert issues([START, END, node("w", "webhook", enabled=False, custom_headers=headers)], [GO]) == []


UNSAFE = "An id can have neither control characters nor '../'"


@pytest.mark.parametrize("bad", ["a\x00b", "../x", "a/../../b", "a\x9fb"])
def test_ids_that_are_no_ids_are_refused_wherever_they_stand(bad: str) -> None:
    graph = [
        node("s", "start"),
        node("m", "map", over="input.list", body={"nodes": [node(bad, "start"), node("z", "end")], "edges": []}),
        node("n", "map", over="input.list", workflow_id=bad),
        node("u", "subgraph", workflow_id=bad),
        node("h", "http", url="https://example.org", credential_uuid=bad),
        node("z", "end"),
    ]
    ways = [edge("s>m"), edge("m>n"), edge("n>u"), edge("u>h"), edge("h>z")]
    found = {(subject, field) for _, subject, field, message in told(issues(graph, ways)) if message == UNSAFE}
    assert found == {
        ("m", f"data.body.nodes.{bad}.id"),
        ("n", "data.workflow_id"),
        ("u", "data.workflow_id"),
        ("h", "data.credential_uuid"),
    }
    call = [
        node("s", "startCall", prompt="x", tool_uuids=["fine", bad], greeting_recording_id=bad),
        node("e", "endCall", prompt="x"),
    ]
    way = edge("s>e", label="x", condition="x", transition_speech_recording_id=bad)
    found = {(subject, field) for _, subject, field, message in told(issues(call, [way])) if message == UNSAFE}
    assert found == {
        ("s", "data.tool_uuids.1"),
        ("s", "data.greeting_recording_id"),
        ("s>e", "data.transition_speech_recording_id"),
    }
