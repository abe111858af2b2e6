"""Tool nodes whose call a person has to approve, and approvals of single tools of an agent, without any server."""

from __future__ import annotations

from datetime import timedelta

import pytest
from graphs import edge, node, sequence
from machine import NOW, Machine

from cairn.contracts.nodes import NodeResult
from cairn.graph import step
from cairn.graph.model import Definition
from cairn.graph.state import Wait
from cairn.graph.validate import validate


def machine(engine: int = 6, *more, **data) -> Machine:
    data = {"tool": "pay", "arguments": {"amount": 5}, "require_approval": True, "output": "paid", **data}
    graph = sequence(node("pay", "tool", **data))
    graph["nodes"][-1]["data"]["output"] = {"paid": "state.paid"}
    graph["nodes"] += [each for each in more if "type" in each]
    graph["edges"] += [each for each in more if "source" in each]
    m = Machine(graph)
    m.state.engine = engine
    m.advance()
    return m


def asked(m: Machine) -> Wait:
    (wait,) = [work.run for work in m.state.in_flight.values()]
    assert isinstance(wait, Wait)
    return wait


def answer(m: Machine, **value) -> None:
    step.answer(m.graph, m.state, asked(m).key, {"decision": "approved", **value}, "ann")
    m.advance()


def test_the_call_waits_for_a_person_and_is_then_made_with_what_was_agreed_to() -> None:
    m = machine(approvers=["ann"], approval_timeout=60)
    wait = asked(m)
    assert (wait.what, wait.data["tool"], wait.data["arguments"]) == ("approval", "pay", {"amount": 5})
    assert wait.data["assignees"] == ["ann"]
    assert wait.deadline == NOW + timedelta(seconds=60)
    answer(m, modified_arguments={"amount": 4})
    run = m.runs[-1]
    assert (run.activity, run.call) == ("run_tool", "")
    assert run.data == {"tool": "pay", "arguments": {"amount": 4}, "approved": True}
    step.complete(m.graph, m.state, run.key, NodeResult(value="done"))
    m.advance()
    assert (m.runs[-1].activity, m.runs[-1].checkpoint) == ("mark_checkpoint", "pay")
    m.done("pay")
    assert m.state.output == {"paid": "done"}
    assert not m.state.loops


def test_a_call_that_is_denied_fails_the_node() -> None:
    m = machine()
    answer(m, decision="denied", reason="too much")
    assert m.state.failure.code == "denied"
    assert "too much" in m.state.failure.message


def test_an_error_edge_sees_that_a_call_was_denied() -> None:
    no = node("no", "end", output={"why": "outputs.pay.error.code"})
    m = machine(6, no, edge("pay", "no", on="error"))
    answer(m, decision="denied")
    assert m.state.output == {"why": "denied"}


def test_an_approval_in_vain_is_a_timeout_of_the_node() -> None:
    m = machine(approval_timeout=60)
    step.pass_time(m.graph, m.state, NOW + timedelta(seconds=61))
    m.advance()
    assert m.state.failure.code == "timeout"
    assert not m.state.loops and not m.state.in_flight


def test_a_call_that_fails_fails_the_node() -> None:
    m = machine()
    answer(m)
    m.failed("pay", "tool_error")
    assert m.state.failure.code == "tool_error"
    assert not m.state.loops


def test_executions_that_began_by_older_rules_are_not_asked() -> None:
    m = machine(engine=5)
    assert m.runs[-1].data == {"tool": "pay", "arguments": {"amount": 5}}


def test_one_expression_may_give_all_arguments() -> None:
    m = machine(require_approval=False, arguments="{'amount': 2 + 1}")
    assert m.runs[-1].data["arguments"] == {"amount": 3}
    assert machine(require_approval=False, arguments="3").state.failure.code == "expression"


@pytest.mark.parametrize(("engine", "seconds", "approvers"), [(6, 30, ["bob"]), (5, 60, None)])
def test_single_tools_of_an_agent_have_times_and_approvers_of_their_own(
    engine: int, seconds: int, approvers: list[str] | None
) -> None:
    asks = {"require_approval": ["look", "pay"], "approval_timeout": 60}
    own = {"approval_timeouts": {"pay": 30}, "approvers": {"pay": ["bob"]}}
    m = Machine(sequence(node("ask", "agent", prompt="?", tools=["look", "pay"], output="said", **asks, **own)))
    m.state.engine = engine
    m.advance()
    m.done("ask", {"history": "h", "calls": [{"id": t, "tool": t, "arguments": {}} for t in ("look", "pay")]})
    look, pay = [work.run for work in m.state.in_flight.values()]
    assert look.deadline == NOW + timedelta(seconds=60) and "assignees" not in look.data
    assert pay.deadline == NOW + timedelta(seconds=seconds) and pay.data.get("assignees") == approvers
    step.answer(m.graph, m.state, pay.key, {"decision": "approved"}, "bob")
    m.advance()
    assert m.runs[-1].data.get("approved") is (True if engine > 5 else None)


def test_what_is_said_of_tools_that_need_no_approval_is_a_mistake() -> None:
    data = {"prompt": "?", "tools": ["pay"], "approval_timeouts": {"pay": 30}, "approvers": {"pay": ["bob"]}}
    found = validate(Definition.model_validate(sequence(node("ask", "agent", **data))))
    assert [each.field for each in found] == ["data.approval_timeouts.pay", "data.approvers.pay"]
