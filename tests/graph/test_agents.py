"""Agents with tools: the loop of turns and tool calls, without any server."""

from __future__ import annotations

from datetime import timedelta

import pytest
from graphs import node, sequence
from machine import NOW, Machine

from cairn.contracts.executions import NodeFailure, Usage
from cairn.contracts.nodes import NodeResult
from cairn.graph import limits, step
from cairn.graph.state import ExecutionState


def agent(**data) -> Machine:
    m = Machine(sequence(node("ask", "agent", prompt="?", tools=["look", "pay"], output="said", **data)))
    m.state.engine = 2
    m.graph.nodes["end"].data.output = {"said": "state.said"}
    assert m.advance() == ["ask"]
    return m


def calls(*tools: str) -> dict:
    return {"history": "h1", "calls": [{"id": t, "tool": t, "arguments": {"of": t}} for t in tools]}


def under_way(m: Machine) -> list[tuple[str, str]]:
    return [(work.run.kind, getattr(work.run, "activity", "")) for work in m.state.in_flight.values()]


def test_tool_calls_are_work_of_their_own_side_by_side_and_the_model_hears_their_results() -> None:
    m = agent()
    assert m.runs[-1].activity == "call_model"
    m.done("ask", calls("look", "pay"))
    first, second = m.runs[-2:]
    assert [run.data for run in (first, second)] == [
        {"tool": "look", "arguments": {"of": "look"}},
        {"tool": "pay", "arguments": {"of": "pay"}},
    ]
    assert [run.checkpoint for run in (first, second)] == ["ask: look", "ask: pay"]
    assert first.call != second.call
    step.complete(m.graph, m.state, second.key, NodeResult(value=2))
    assert m.advance() == []
    failure = NodeFailure(code="planned", message="look failed", node_id="ask")
    step.fail(m.graph, m.state, first.key, failure)
    assert m.advance() == ["ask"]
    assert m.runs[-1].data["history"] == "h1"
    assert m.runs[-1].data["results"] == [
        {"id": "look", "tool": "look", "error": "look failed"},
        {"id": "pay", "tool": "pay", "value": 2},
    ]
    m.done("ask", {"history": "h2", "answer": "done"})
    assert m.runs[-1].activity == "mark_checkpoint"
    m.done("ask")
    assert m.state.output == {"said": "done"}


def test_the_turns_are_limited() -> None:
    m = agent(max_turns=2)
    m.done("ask", calls("look"))
    m.done("ask", 1)
    m.done("ask", calls("look"))
    m.done("ask", 1)
    assert m.state.failure.code == "max_turns"


def test_the_cost_is_limited() -> None:
    m = agent(max_cost=0.5)
    m.done("ask", calls("look"), usage=Usage(requests=1, cost=0.6))
    m.done("ask", 1)
    assert m.state.failure.code == "budget_exceeded"
    assert m.state.usage.cost == 0.6


def test_the_budget_of_the_execution_pauses_an_agent_between_turns() -> None:
    m = agent()
    m.graph.limits.tokens = 10
    m.done("ask", calls("look"), usage=Usage(requests=1, input_tokens=11))
    assert m.reason is not None
    limits.grant(m.graph, m.state, NOW)
    assert m.advance() == ["ask"]
    assert m.runs[-1].activity == "run_tool"


def test_a_model_that_fails_fails_the_node() -> None:
    m = agent()
    m.failed("ask", "rate_limited")
    assert m.state.failure.code == "rate_limited"
    assert not m.state.loops


def test_a_call_waits_for_a_person_and_runs_with_modified_arguments() -> None:
    m = agent(require_approval=["pay"])
    m.done("ask", calls("look", "pay"))
    assert under_way(m) == [("run", "run_tool"), ("wait", "")]
    key, wait = next((k, w.run) for k, w in m.state.in_flight.items() if w.run.kind == "wait")
    assert (wait.data["tool"], wait.data["arguments"]) == ("pay", {"of": "pay"})
    value = {"decision": "approved", "modified_arguments": {"of": "less"}}
    step.answer(m.graph, m.state, key, value, "ann")
    assert m.advance() == ["ask"]
    assert m.runs[-1].data == {"tool": "pay", "arguments": {"of": "less"}}


def test_a_denied_call_is_told_to_the_model() -> None:
    m = agent(require_approval=["pay"])
    m.done("ask", calls("pay"))
    (key,) = m.state.in_flight
    step.answer(m.graph, m.state, key, {"decision": "denied", "reason": "too much"}, "ann")
    m.advance()
    assert m.runs[-1].data["results"] == [{"id": "pay", "tool": "pay", "error": "a person denied the call: too much"}]


def test_a_call_that_nobody_approves_in_time_is_told_to_the_model() -> None:
    m = agent(require_approval=["pay"], approval_timeout=60)
    m.done("ask", calls("pay"))
    assert step.pass_time(m.graph, m.state, NOW + timedelta(seconds=61))
    m.advance()
    assert "nobody approved" in m.runs[-1].data["results"][0]["error"]


def test_a_loop_is_dumped_and_loaded_in_the_middle() -> None:
    m = agent(require_approval=["pay"])
    m.done("ask", calls("look", "pay"))
    loaded = ExecutionState.load(m.state.dump())
    assert loaded == m.state


def test_a_turn_may_spend_what_the_turns_before_have_left_of_the_budget() -> None:
    for engine, left in ((4, 0.2), (3, 0.5)):
        m = Machine(sequence(node("ask", "agent", prompt="?", tools=["look"], max_cost=0.5)))
        m.state.engine = engine
        m.advance()
        assert m.runs[-1].data["max_cost"] == 0.5
        m.done("ask", calls("look"), usage=Usage(requests=1, cost=0.3))
        m.done("ask", 1)
        assert m.runs[-1].data["max_cost"] == pytest.approx(left)
        assert "max_cost" not in agent().runs[-1].data or agent().runs[-1].data["max_cost"] is None


def test_what_models_used_before_a_node_failed_counts() -> None:
    spent = Usage(requests=3, input_tokens=30, cost=0.4)
    for tools in ([], ["look"]):
        for engine, counted in ((4, spent), (3, Usage())):
            m = Machine(sequence(node("ask", "agent", prompt="?", tools=tools)))
            m.state.engine = engine
            m.advance()
            failure = NodeFailure(code="budget_exceeded", message="too dear", node_id="ask", usage=spent)
            step.fail(m.graph, m.state, m.key("ask"), failure)
            assert m.state.usage == counted
            assert m.state.spent.cost == (counted.cost or 0)


def asking(**questions) -> tuple[Machine, str]:
    """Return an agent that has asked its user, and the key of the wait for the answer."""
    m = agent(questions=questions)
    asked = {"question": "Which colour?", "options": ["red", "blue"], "free_text": True}
    m.done("ask", {"history": "h1", "calls": [{"id": "q", "tool": "ask_user", "arguments": asked}]})
    (key,) = m.state.in_flight
    return m, key


def test_a_question_waits_for_its_answer_and_the_model_hears_it() -> None:
    m, key = asking(assignees=["ann"])
    assert m.runs[0].data["asks"] is True
    wait = m.state.in_flight[key].run
    assert (wait.kind, wait.what, wait.deadline) == ("wait", "question", None) and wait.request_id.startswith("qst_")
    assert (wait.data["prompt"], wait.data["options"]) == ("Which colour?", ["red", "blue"])
    assert wait.data["assignees"] == ["ann"] and wait.data["schema"]["anyOf"][0] == {"enum": ["red", "blue"]}
    assert [notice.wait.request_id for notice in m.state.notices] == [wait.request_id]
    step.answer(m.graph, m.state, key, "green", "ann")
    m.advance()
    assert m.runs[-1].data["results"] == [{"id": "q", "tool": "ask_user", "value": "green"}]


def test_a_question_that_nobody_answers_is_told_to_the_model() -> None:
    m, _ = asking(timeout=60)
    assert step.pass_time(m.graph, m.state, NOW + timedelta(seconds=61))
    m.advance()
    assert m.runs[-1].data["results"] == [{"id": "q", "tool": "ask_user", "error": "nobody answered in time"}]


def test_an_agent_without_tools_can_ask() -> None:
    m = Machine(sequence(node("ask", "agent", prompt="?", questions={})))
    m.state.engine = 6
    m.advance()
    assert m.runs[-1].activity == "call_model"
    plain = Machine(sequence(node("ask", "agent", prompt="?")))
    plain.state.engine = 6
    plain.advance()
    assert plain.runs[-1].activity == "run_agent" and "asks" not in plain.runs[-1].data


def test_what_is_no_question_of_the_agents_is_a_tool() -> None:
    m = Machine(sequence(node("ask", "agent", prompt="?", tools=["ask_user"])))
    m.state.engine = 6
    m.advance()
    m.done("ask", calls("ask_user"))
    assert under_way(m) == [("run", "run_tool")]
