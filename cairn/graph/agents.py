"""Agents with tools: a model's turns and, between them, the tool calls it asks for, each work of its own.

The call of a tool node that a person has to approve is such a loop as well, without a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cairn.contracts.executions import NodeFailure
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import CALL_MODEL, RUN_TOOL, NodeResult
from cairn.graph import questions, subagents
from cairn.graph.compiled import Graph, GraphNode
from cairn.graph.keys import next_key
from cairn.graph.nodes.agent import AgentData
from cairn.graph.nodes.tool import ToolData
from cairn.graph.results import node_done
from cairn.graph.state import AgentLoop, Child, ExecutionState, InFlight, Line, Run, Token, ToolCall, Wait, Work
from cairn.graph.waits import later, request_id


def enter(state: ExecutionState, node: GraphNode, loop: AgentLoop) -> None:
    """Start the loop of an agent whose node was entered; its first turn is due."""
    owner = f"{node.id}#{loop.token.visit}"
    state.loops[owner] = loop
    state.due.append(owner)


def lone_call(token: Token, data: JsonObject) -> AgentLoop:
    """Return the loop of a tool node whose call a person has to approve."""
    return AgentLoop(token=token, data=data, calls=[ToolCall("", data["tool"], data["arguments"])], alone=True)


def drive(graph: Graph, state: ExecutionState, owner: str, line: Line) -> tuple[list[Work], NodeFailure | None]:
    """Return what a loop is to do next: the tool calls of this turn, or the next turn; or why the agent fails.

    Args:
        graph: the graph.
        state: changed in place.
        owner: id of the loop.
        line: where and when.
    """
    loop = state.loops[owner]
    node = graph.nodes[loop.token.node_id]
    data = node.data
    if loop.asking:
        return [], None
    works: list[Work] = []
    for index, call in enumerate(loop.calls):
        if call.result is None and not call.asked and not _under_way(state, owner, index):
            works += _begin(state, node, loop, owner, index, line)
    if works or any(call.result is None for call in loop.calls):
        return works, None
    if loop.alone:
        return [], _failure(node, loop, "denied", f"was not approved: {(loop.calls[0].result or {}).get('error')}")
    if not isinstance(data, AgentData):
        return [], None
    if loop.turns >= data.max_turns:
        return [], _failure(node, loop, "max_turns", f"has no answer after {data.max_turns} turns")
    if data.max_cost is not None and loop.cost >= data.max_cost:
        return [], _failure(node, loop, "budget_exceeded", f"has no answer for {data.max_cost} US dollars")
    return [_turn(state, node, loop, owner)], None


def complete(graph: Graph, state: ExecutionState, work: InFlight, result: NodeResult) -> None:
    """Take the result of a model's turn or of a tool call. Raises as ``results.returned``."""
    owner = work.loop or ""
    loop = state.loops[owner]
    if loop.alone:
        del state.loops[owner]
        node_done(graph, state, replace(work.run, data=loop.data), loop.token, result.value, result.usage)
        return
    if work.call is not None:
        of_subagent = isinstance(work.run, Child)
        loop.cost += (result.usage.cost or 0.0) if result.usage and of_subagent else 0.0
        _ended(state, owner, work.call, {"value": subagents.answer_of(result.value) if of_subagent else result.value})
        return
    loop.asking = False
    loop.turns += 1
    loop.cost += (result.usage.cost or 0.0) if result.usage else 0.0
    loop.history = result.value.get("history")
    if "answer" in result.value:
        del state.loops[owner]
        done = replace(work.run, data=loop.data)
        node_done(graph, state, done, loop.token, result.value["answer"], result.usage)
        return
    loop.calls = [ToolCall(c["id"], c["tool"], c["arguments"]) for c in result.value["calls"]]
    state.due.append(owner)


def fail(state: ExecutionState, work: InFlight, failure: NodeFailure) -> bool:
    """Take the failure of a tool call: the model hears of it. Returns False where the node fails.

    That is for a model's turn, and for a call without a model.
    """
    owner = work.loop or ""
    loop = state.loops.get(owner)
    if work.call is None or (loop is not None and loop.alone):
        state.loops.pop(owner, None)
        return False
    if loop is not None and isinstance(work.run, Child) and failure.usage is not None:
        loop.cost += failure.usage.cost or 0.0
    in_vain = questions.IN_VAIN if questions.is_question(work) else "nobody approved the call in time"
    _ended(state, owner, work.call, {"error": in_vain if isinstance(work.run, Wait) else failure.message})
    return True


def answered(state: ExecutionState, work: InFlight, value: Json) -> None:
    """Take what a person said of a tool call, or to a question; ``value`` as of ``waits.decision``, or the answer."""
    owner, index = work.loop or "", work.call or 0
    call = state.loops[owner].calls[index]
    if questions.is_question(work):
        _ended(state, owner, index, {"value": value})
        return
    if value["decision"] == "denied":
        reason = f": {value['reason']}" if value["reason"] else ""
        _ended(state, owner, index, {"error": f"a person denied the call{reason}"})
        return
    call.asked, call.approved = False, True
    if value["modified_arguments"] is not None:
        call.arguments = value["modified_arguments"]
    state.due.append(owner)


def _ended(state: ExecutionState, owner: str, index: int, result: Json) -> None:
    call = state.loops[owner].calls[index]
    call.result, call.asked = result, False
    state.due.append(owner)


def _under_way(state: ExecutionState, owner: str, index: int) -> bool:
    return any(work.loop == owner and work.call == index for work in state.in_flight.values())


def _turn(state: ExecutionState, node: GraphNode, loop: AgentLoop, owner: str) -> Run:
    results = [{"id": call.id, "tool": call.tool, **(call.result or {})} for call in loop.calls]
    loop.asking, loop.calls = True, []
    budget = {}
    if state.engine > 3 and loop.data.get("max_cost") is not None:
        budget = {"max_cost": loop.data["max_cost"] - loop.cost}
    run = Run(
        key=next_key(state, node.id, loop.token.visit),
        node_id=node.id,
        visit=loop.token.visit,
        summary=node.name,
        activity=CALL_MODEL.name,
        data={**loop.data, **budget, "history": loop.history, "results": results},
        timeout=node.timeout,
        retry=node.data.retry,
        call=f"turn{loop.turns + 1}",
    )
    state.in_flight[run.key] = InFlight(run, loop.token, owner)
    return run


def _begin(
    state: ExecutionState, node: GraphNode, loop: AgentLoop, owner: str, index: int, line: Line
) -> Sequence[Work]:
    """Put a call of the present turn under way; of one that cannot be made the model is told why."""
    call = loop.calls[index]
    if (subagent := subagents.named(node, call)) is not None:
        try:
            return [subagents.begin(state, node, owner, index, subagent, line)]
        except subagents.Refused as why:
            call.result = {"error": str(why)}
            return []
    make = _ask if _needs_approval(node, call) and not call.approved else _call
    make = _question if questions.asked(node, call) is not None else make
    return [make(state, node, loop, owner, index, line)]


def _call(state: ExecutionState, node: GraphNode, loop: AgentLoop, owner: str, index: int, line: Line) -> Run:
    call = loop.calls[index]
    approved = {"approved": True} if call.approved and state.engine > 5 else {}
    run = Run(
        key=next_key(state, node.id, loop.token.visit),
        node_id=node.id,
        visit=loop.token.visit,
        summary=f"{node.name}: {call.tool}",
        activity=RUN_TOOL.name,
        data={"tool": call.tool, "arguments": call.arguments, **approved},
        timeout=node.timeout,
        retry=node.data.retry,
        # The end of a loop makes the node's own; so does that of a single call.
        checkpoint=f"{node.checkpoint}: {call.tool}" if node.checkpoint is not None and not loop.alone else None,
        call="" if loop.alone else f"turn{loop.turns}.{index}",
    )
    state.in_flight[run.key] = InFlight(run, loop.token, owner, index)
    return run


def _ask(state: ExecutionState, node: GraphNode, loop: AgentLoop, owner: str, index: int, line: Line) -> Wait:
    call = loop.calls[index]
    call.asked = True
    key = next_key(state, node.id, loop.token.visit)
    timeout, approvers = _approval(node, call.tool, state.engine)
    wait = Wait(
        key=key,
        node_id=node.id,
        visit=loop.token.visit,
        summary=f"{node.name}: {call.tool}?",
        what="approval",
        data={
            "prompt": f"May {node.name} call {call.tool}?",
            "tool": call.tool,
            "arguments": call.arguments,
            **({"assignees": approvers} if approvers else {}),
        },
        deadline=later(line.now, timeout) if timeout is not None else None,
        request_id=request_id("approval", line.temporal_id, key, line.lineage),
    )
    state.in_flight[key] = InFlight(wait, loop.token, owner, index)
    return wait


def _question(state: ExecutionState, node: GraphNode, loop: AgentLoop, owner: str, index: int, line: Line) -> Wait:
    call = loop.calls[index]
    call.asked = True
    key = next_key(state, node.id, loop.token.visit)
    wait = questions.make_question(node, loop.token.visit, call, key, line.now, line.lineage, line.temporal_id)
    state.in_flight[key] = InFlight(wait, loop.token, owner, index)
    return wait


def _needs_approval(node: GraphNode, call: ToolCall) -> bool:
    data = node.data
    return isinstance(data, ToolData) or (isinstance(data, AgentData) and call.tool in data.require_approval)


def _approval(node: GraphNode, tool: str, engine: int) -> tuple[float | None, list[str]]:
    """Return how long the approval of a call is waited for, and who may give it; empty for anyone."""
    data = node.data
    if isinstance(data, ToolData):
        return data.approval_timeout, list(data.approvers)
    if not isinstance(data, AgentData):
        return None, []
    if engine < 6:
        return data.approval_timeout, []
    return data.approval_timeouts.get(tool, data.approval_timeout), list(data.approvers.get(tool, []))


def _failure(node: GraphNode, loop: AgentLoop, code: str, what: str) -> NodeFailure:
    return NodeFailure(code=code, message=f"node {node.name!r} {what}", node_id=node.id, visit=loop.token.visit)
