"""Agents that call agents: which children a turn commands, and what the model is told of them, without any server."""

from __future__ import annotations

from typing import Any

import pytest
from graphs import node, sequence
from machine import NOW

from cairn.contracts.executions import ChildSeed, GraphRef, NodeFailure, Usage
from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import NodeResult
from cairn.graph import step
from cairn.graph.compiled import compile_graph
from cairn.graph.model import Definition
from cairn.graph.references import graphs_named
from cairn.graph.state import Child, ExecutionState, Line, Run, Work
from cairn.graph.validate import validate

BELOW = [{"name": name, "workflow_id": name, "description": f"The {name}."} for name in ("clerk", "chief")]


def ref(name: str) -> GraphRef:
    return GraphRef(workflow_id=name, version_id=1, version=1, digest="d")


class Boss:
    """An agent that calls two others."""

    def __init__(self, **data: Any) -> None:
        turn = "{'id': 'conv_1', 'message_id': 'm', 'model': 'x'}"
        ask = node("ask", "agent", prompt="?", subagents=BELOW, conversation=turn, **data)
        self.definition = sequence(ask, node("end", "end", output={"content": "outputs.ask"}))
        self.graph = compile_graph(self.definition)
        self.state: ExecutionState = step.begin(self.graph, {"id": "e"}, {})
        self.state.engine = 6
        self.state.pins = {"clerk": ref("clerk"), "chief": ref("chief")}

    def go(self) -> list[Work]:
        return step.advance(self.graph, self.state, Line(NOW, "run", "e", ref("boss")))[0]

    def asks(self, *calls: tuple[str, JsonObject]) -> list[Work]:
        """The model is asked, and calls."""
        made = [{"id": f"c{n}", "tool": tool, "arguments": said} for n, (tool, said) in enumerate(calls)]
        return self.ends(self.go()[0], {"history": "h", "calls": made})

    def ends(self, work: Work, value: Any, usage: Usage | None = None) -> list[Work]:
        step.complete(self.graph, self.state, work.key, NodeResult(value=value, usage=usage))
        return self.go()


def children(works: list[Work]) -> list[Child]:
    assert all(isinstance(work, Child) for work in works)
    return [work for work in works if isinstance(work, Child)]


def test_calls_are_children_and_their_answers_results() -> None:
    boss = Boss()
    works = boss.asks(("clerk", {"message": "Count", "context": "By hand."}), ("chief", {"message": "Lead"}))
    clerk, chief = children(works)
    aside = {"id": "conv_1", "message_id": "m", "aside": True}
    assert clerk.data["input"] == {"message": "<context>\nBy hand.\n</context>\n\nCount", "conversation": aside}
    assert chief.data["input"]["message"] == "Lead"
    assert (clerk.graph.workflow_id, clerk.agents, clerk.index) == ("clerk", ["boss", "clerk"], 0)
    assert (chief.index, chief.summary) == (1, "ask: chief") and clerk.temporal_id != chief.temporal_id
    assert boss.ends(chief, {"content": {"n": 1}}, Usage(requests=2, cost=0.5)) == []
    failure = NodeFailure(code="planned", message="it broke", node_id="ask", usage=Usage(requests=1, cost=0.25))
    step.fail(boss.graph, boss.state, clerk.key, failure)
    (turn,) = boss.go()
    assert isinstance(turn, Run) and turn.data["results"] == [
        {"id": "c0", "tool": "clerk", "error": "it broke"},
        {"id": "c1", "tool": "chief", "value": {"n": 1}},
    ]
    assert turn.data["subagents"] == [{"name": n, "description": f"The {n}."} for n in ("clerk", "chief")]
    assert (boss.state.usage.requests, boss.state.loops["ask#1"].cost) == (3, 0.75)
    assert ExecutionState.load(boss.state.dump()).dump() == boss.state.dump()


def test_what_they_cost_counts_for_the_agents_limit() -> None:
    boss = Boss(max_cost=0.5)
    (clerk,) = boss.asks(("clerk", {"message": "?"}))
    assert boss.ends(clerk, {"content": "much"}, Usage(requests=1, cost=0.5)) == []
    assert boss.state.failure is not None and boss.state.failure.code == "budget_exceeded"


@pytest.mark.parametrize(
    ("agents", "why"),
    [
        (["clerk", "boss"], "subagent_cycle"),
        (["1", "2", "3", "4", "5", "6"], "subagents_too_deep"),
        (["1", "2", "3", "4", "5"], None),
    ],
)
def test_circles_and_too_many_levels_are_told_to_the_model(agents: list[str], why: str | None) -> None:
    boss = Boss()
    boss.state.agents = agents
    works = boss.asks(("clerk", {"message": "?"}))
    if why is None:
        assert children(works)[0].agents == [*agents, "clerk"]
        return
    (turn,) = works
    assert isinstance(turn, Run) and why in turn.data["results"][0]["error"]


def test_one_that_was_not_published_is_told_to_the_model_and_the_others_are_called() -> None:
    boss = Boss()
    del boss.state.pins["chief"]
    (clerk,) = children(boss.asks(("chief", {"message": "?"}), ("clerk", {"message": "?"})))
    (turn,) = boss.ends(clerk, {"content": "yes"})
    assert isinstance(turn, Run)
    failed, answered = turn.data["results"]
    assert "there is no agent 'chief'" in failed["error"] and answered["value"] == "yes"


def test_after_a_replay_a_call_of_the_same_agent_goes_on_and_another_begins() -> None:
    def seed(index: int, graph: str) -> ChildSeed:
        state = {"state": {"execution": {"workflow_id": graph}}}
        return ChildSeed(node_id="ask", visit=1, index=index, state=state)

    boss = Boss()
    boss.state.seeds = [seed(0, "chief"), seed(1, "chief")]
    clerk, chief = children(boss.asks(("clerk", {"message": "?"}), ("chief", {"message": "?"})))
    assert (clerk.seeds, [each.index for each in chief.seeds]) == ([], [1])


def test_after_a_replay_a_call_goes_on_wherever_the_model_makes_it_now() -> None:
    def seed(index: int, said: str) -> ChildSeed:
        told = {"message": said, "conversation": {"id": "conv_1", "message_id": "m", "aside": True}}
        state = {"state": {"execution": {"workflow_id": "clerk"}}, "of": said}
        return ChildSeed(node_id="ask", visit=1, index=index, state=state, input=told)

    def goes_on(seeds: list[ChildSeed], *said: str) -> list[list[int | None]]:
        boss = Boss()
        boss.state.seeds = seeds
        called = children(boss.asks(*(("clerk", {"message": each}) for each in said)))
        return [[each.index for each in child.seeds] for child in called]

    assert goes_on([seed(0, "x")], "x", "y") == [[0], []]
    assert goes_on([seed(0, "x")], "y", "x") == [[], [0]], "in another order"
    assert goes_on([seed(1, "x")], "x", "y") == [[1], []]
    assert goes_on([seed(0, "x")], "y", "z") == [[], []], "not made any more"
    assert goes_on([seed(1, "x")], "x", "x") == [[], [1]], "of two that are alike the same"
    assert goes_on([seed(0, "x"), seed(1, "y")], "y", "x") == [[1], [0]]


def test_what_a_call_would_have_gone_on_from_is_forgotten_when_its_agent_has_answered() -> None:
    boss = Boss()
    state = {"state": {"execution": {"workflow_id": "clerk"}}}
    boss.state.seeds = [ChildSeed(node_id="ask", visit=n, index=0, state=state, input={"n": n}) for n in (1, 2)]

    def kept() -> list[int]:
        return [seed["visit"] for seed in boss.state.dump()["seeds"]]

    assert kept() == [1, 2]
    (clerk,) = children(boss.asks(("clerk", {"message": "?"})))
    (turn,) = boss.ends(clerk, {"content": "yes"})
    assert kept() == [1, 2], "the model may still make it"
    boss.ends(turn, {"history": "h", "answer": "done"})
    assert kept() == [2], "another visit may still come"


def test_a_graph_names_them_and_their_names_are_told_apart() -> None:
    assert graphs_named(Boss().definition) == {"clerk", "chief"}
    twice = sequence(node("ask", "agent", prompt="?", tools=["clerk"], subagents=[*BELOW, BELOW[1]]))
    said = [issue.field for issue in validate(Definition.model_validate(twice)) if issue.severity == "error"]
    assert [field for field in said if field and "subagents" in field] == [
        "data.subagents.0.name",
        "data.subagents.2.name",
    ]
