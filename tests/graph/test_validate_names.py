"""What expressions name has to be there; what stands where it cannot be is said."""

from __future__ import annotations

from typing import Any

import pytest
from graph.definitions import edge, issues, node, told

START, END = node("s", "start"), node("z", "end")


def found_of(expression: str, *nodes: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    """Return what is said of an expression that decides of two ways."""
    ways = [edge("s>c"), edge("c>y", expression=expression), edge("c>z"), edge("y>z")]
    found = issues([START, node("c", "condition"), node("y", "transform", set={}), END, *nodes], ways, **more)
    return [(each.severity, each.message) for each in found if each.field == "data.expression"]


def test_the_execution_has_four_members() -> None:
    for member in ("id == 'a'", "workflow_id == '1'", "metadata.user == 'a'", "visits.c > 1"):
        assert found_of(f"execution.{member}") == []
    said = "Expression is not valid: execution has no 'user', only id, metadata, visits, workflow_id"
    assert found_of("execution.user == 'a'") == [("error", said)]
    assert found_of("execution['user'] == 'a'") == [("error", said)]


def test_a_key_of_the_state_is_declared_or_written() -> None:
    said = "State key 'total' is not declared, and no node writes it"
    assert found_of("state.total > 1") == [("warning", said)]
    assert found_of("has(state.total) && state['total'] > 1") == [("warning", said)]
    assert found_of("size(state) > 1") == []
    assert found_of("state.total > 1", state={"total": {}}) == []
    for writer in (
        node("w", "transform", set={"total": "1"}),
        node("w", "agent", prompt="x", output="total"),
        node("w", "agentNode", prompt="x", extraction_variables=[{"name": "total", "type": "number"}]),
    ):
        assert found_of("state.total > 1", writer) == []
        assert found_of("state.totals > 1", writer) != []
    for odd in ({"set": ["total"]}, {"output": ["total"]}, {"extraction_variables": "total"}):
        assert ("warning", said) in found_of("state.total > 1", node("w", "transform", **odd))


CALL = [node("a", "agentNode", prompt="Ask"), node("e", "endCall", prompt="Bye")]
GO = [edge("s>a", label="go", expression="state.vip == true"), edge("a>e", label="done", condition="All is said")]


def test_what_is_fetched_before_a_call_may_write_any_key() -> None:
    fetching = {"pre_call_fetch_url": "https://example.org"}
    for data in ({}, fetching, {**fetching, "pre_call_fetch_mode": "disabled"}):
        found = issues([node("s", "startCall", prompt="Greet", **data), *CALL], GO)
        assert [each.severity for each in found] == ["warning"], data
    for mode in ({"pre_call_fetch_mode": "inbound"}, {"pre_call_fetch_enabled": True}):
        assert issues([node("s", "startCall", prompt="Greet", **fetching, **mode), *CALL], GO) == []


def test_an_inline_definition_has_a_state_of_its_own() -> None:
    inner = node("t", "transform", set={"x": "state.outer", "y": "state.x", "z": "execution.none"})
    body = {"nodes": [START, inner, END], "edges": [edge("s>t"), edge("t>z")]}
    each = node("each", "map", items="[1]", body=body)
    found = issues([START, each, END], [edge("s>each"), edge("each>z")], state={"outer": {}})
    assert {(i.severity, i.field) for i in found} == {
        ("warning", "data.body.nodes.t.data.set.x"),
        ("error", "data.body.nodes.t.data.set.z"),
    }


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (node("t", "trigger"), "A Trigger cannot stand in an inline definition: only its Map begins it"),
        (
            node("t", "startCall", prompt="Hi"),
            "A call cannot be an item of a Map: begin an inline definition with a Start",
        ),
    ],
)
def test_calls_and_triggers_do_not_stand_in_an_inline_definition(inner: dict[str, Any], message: str) -> None:
    beside = [START, END] if inner["type"] == "trigger" else [END]
    body = {
        "nodes": [*beside, inner],
        "edges": [edge("s>z")] if len(beside) > 1 else [edge("t>z", label="x", condition="x")],
    }
    each = node("each", "map", items="[1]", body=body)
    found = told(issues([START, each, END], [edge("s>each"), edge("each>z")]))
    assert found == {("node", "each", "data.body.nodes.t.type", message)}


def test_an_inline_definition_needs_a_start() -> None:
    each = node("each", "map", items="[1]", body={"nodes": [], "edges": []})
    found = told(issues([START, each, END], [edge("s>each"), edge("each>z")]))
    assert found == {("node", "each", "data.body", "An inline definition must have a Start")}


def test_headers_have_names_that_http_allows() -> None:
    headers = {"X-Good": "a", "": "b", "bad name": "c", "x\r\ny": "d"}
    nodes = [START, node("h", "http", url="https://example.org", headers=headers), END]
    rule = "Header name can have only letters, digits and !#$%&'*+-.^_`|~"
    assert told(issues(nodes, [edge("s>h"), edge("h>z")])) == {
        ("node", "h", "data.headers.", "Header name is required"),
        ("node", "h", "data.headers.bad name", rule),
        ("node", "h", "data.headers.x\r\ny", rule),
    }


CALLED = [node("s", "startCall", prompt="Greet"), *CALL, node("t", "trigger", trigger_path="p")]
SPOKEN = [edge("s>e", label="bye", condition="x"), edge("a>e", label="done", condition="x")]


def test_a_trigger_leads_to_no_node() -> None:
    found = issues(CALLED, [*SPOKEN, edge("t>a", label="call", condition="x")])
    assert told(found) == {("node", "a", None, "Agent Node must have at least 1 incoming edge(s)")}
    assert told(found, "warning") == {("node", "a", None, "Node cannot be reached from the start")}
    plain = [START, END, node("w", "transform", set={}), node("t", "trigger", trigger_path="p")]
    found = issues(plain, [edge("s>z"), edge("t>w"), edge("w>z")])
    assert told(found) == set()
    assert told(found, "warning") == {("node", "w", None, "Node cannot be reached from the start")}


def test_a_trigger_may_be_drawn_before_the_start() -> None:
    ways = [edge("s>a", label="go", condition="x"), edge("a>e", label="done", condition="x")]
    assert issues(CALLED, [*ways, edge("t>s", label="call", condition="x")]) == []
    plain = [START, END, node("t", "trigger", trigger_path="p")]
    assert issues(plain, [edge("s>z"), edge("t>s")]) == []


def test_a_url_of_blanks_is_none() -> None:
    start = node("s", "startCall", prompt="Greet", pre_call_fetch_mode="always", pre_call_fetch_url="  ")
    ways = [edge("s>a", label="go", condition="x"), edge("a>e", label="done", condition="x")]
    assert told(issues([start, *CALL], ways)) == {
        ("node", "s", "data.pre_call_fetch_url", "URL is required when data is fetched before the call")
    }
