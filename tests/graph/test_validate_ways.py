"""What nodes that do not speak go on by: expressions. A condition in words is judged only where a node speaks."""

from __future__ import annotations

from typing import Any

import pytest
from graph.definitions import edge, issues, node, told

WORDS = "A condition in words is judged only where a node speaks: write an expression"
START, END = node("s", "start"), node("z", "end")
VIP, OTHER = node("vip", "transform", set={}), node("other", "transform", set={})
ON = [edge("vip>z"), edge("other>z")]


@pytest.mark.parametrize(
    "asking",
    [node("c", "condition"), node("c", "agent", prompt="Judge"), node("c", "tool", tool="look"), node("c", "join")],
    ids=lambda each: each["type"],
)
def test_words_decide_nothing_where_no_node_speaks(asking: dict[str, Any]) -> None:
    ways = [edge("c>vip", condition="The customer is a VIP"), edge("c>other", expression="input.plain == true")]
    found = told(issues([START, asking, VIP, OTHER, END], [edge("s>c"), *ways, *ON]))
    assert {each for each in found if each[0] == "edge"} == {("edge", "c>vip", "data.condition", WORDS)}
    ways[1] = edge("c>other", condition="The customer is not a VIP")
    found = told(issues([START, asking, VIP, OTHER, END], [edge("s>c"), *ways, *ON]))
    assert {each for each in found if each[0] == "edge"} == {
        ("edge", name, "data.condition", WORDS) for name in ("c>vip", "c>other")
    }


def test_words_beside_an_expression_or_on_the_only_way_may_stand_there() -> None:
    nodes = [START, node("c", "condition"), VIP, OTHER, END]
    ways = [edge("s>c", condition="Always"), edge("c>vip", condition="A VIP", expression="input.vip == true")]
    for blank in ({}, {"condition": " "}, {"condition": None}):
        assert issues(nodes, [*ways, edge("c>other", **blank), *ON]) == []


def test_words_on_the_ways_after_a_failure_decide_nothing_either() -> None:
    nodes = [START, node("c", "agent", prompt="x"), VIP, OTHER, END]
    ways = [
        edge("s>c"),
        edge("c>z"),
        *ON,
        edge("c>vip", on="error", condition="It was busy"),
        edge("c>other", on="error"),
    ]
    assert told(issues(nodes, ways)) == {("edge", "c>vip", "data.condition", WORDS)}


def test_branches_are_all_taken_whatever_words_they_have() -> None:
    nodes = [START, node("p", "parallel"), VIP, OTHER, node("j", "join"), END]
    ways = [edge("s>p"), edge("p>vip", condition="A VIP"), edge("p>other"), edge("vip>j"), edge("other>j"), edge("j>z")]
    found = issues(nodes, ways)
    message = "Every edge of a Parallel is a branch; its condition decides nothing"
    assert told(found) == set()
    assert told(found, "warning") == {("edge", "p>vip", "data.condition", message)}


CALL = [
    node("s", "startCall", prompt="Greet"),
    node("look", "tool", tool="look"),
    node("vip", "agentNode", prompt="Greet a VIP"),
    node("other", "agentNode", prompt="Greet"),
    node("z", "endCall", prompt="Bye"),
]
GO = edge("s>look", label="go", condition="The caller wants help")
DONE = [edge("vip>z", label="done", condition="Done"), edge("other>z", label="done", condition="Done")]


def test_words_in_a_call_are_judged_by_the_nodes_that_speak_alone() -> None:
    both = [edge(f"look>{to}", label=to, condition=f"The caller is {to}") for to in ("vip", "other")]
    found = issues(CALL, [GO, *both, *DONE])
    assert told(found) == {("edge", name, "data.condition", WORDS) for name in ("look>vip", "look>other")}
    assert told(found, "warning") == set()


def test_a_node_of_a_call_that_does_not_speak_has_an_else_without_a_condition() -> None:
    vip, other = edge("look>vip", label="vip", expression="outputs.look.vip"), edge("look>other", label="other")
    assert issues(CALL, [GO, vip, other, *DONE]) == []
    never = edge("look>z", label="never")
    found = issues(CALL, [GO, vip, other, never, *DONE])
    said = "Edge is never taken: an earlier edge of its source has no expression either"
    assert (told(found), told(found, "warning")) == (set(), {("edge", "look>z", "data.expression", said)})
    only = edge("look>vip", label="on")  # voice graphs have a condition on every edge that is the only one
    assert ("edge", "look>vip", "data.condition", "Condition is required") in told(issues(CALL, [GO, only, *DONE]))


def test_a_condition_of_a_call_has_one_else() -> None:
    nodes = [CALL[0], node("look", "condition"), *CALL[2:]]
    ways = [edge("look>vip", label="vip"), edge("look>other", label="other")]
    assert told(issues(nodes, [GO, *ways, *DONE])) == {
        ("edge", "look>other", "data.expression", "Condition can have at most one edge without an expression")
    }


@pytest.mark.parametrize("kind", ["start", "transform", "condition", "parallel", "join", "end"])
def test_what_does_no_work_cannot_be_undone(kind: str) -> None:
    undone = node(
        "n", kind, compensate={"tool": "undo", "arguments": {}}, **({"set": {}} if kind == "transform" else {})
    )
    found = told(issues([undone], []))
    message = f"{kind.capitalize()} does no work that could be undone"
    assert ("node", "n", "data.compensate", message) in found


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("wait", {"seconds": 1}),
        ("question", {"prompt": "?"}),
        ("subgraph", {"workflow_id": "w"}),
        ("map", {"items": "[1]", "workflow_id": "w"}),
        ("code", {"code": "def run(input, state): return 1"}),
    ],
)
def test_what_works_can_be_undone(kind: str, data: dict[str, Any]) -> None:
    undone = node("n", kind, compensate={"tool": "undo", "arguments": {}}, **data)
    assert issues([START, undone, END], [edge("s>n"), edge("n>z")]) == []
