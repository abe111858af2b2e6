"""The pieces of work that a call commands: activities, and waits for the caller and for time."""

from __future__ import annotations

from datetime import datetime

from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import RUN_AGENT
from cairn.graph import call_data
from cairn.graph.compiled import GraphNode
from cairn.graph.dialogs import Call
from cairn.graph.state import ExecutionState, InFlight, Run, Wait
from cairn.graph.token import Token

CALL = "call"
"""What the work of a call names as its loop."""


def make_run(
    state: ExecutionState,
    node: GraphNode,
    token: Token,
    *,
    activity: str,
    summary: str,
    call: str,
    data: JsonObject,
    timeout: float | None = None,
    checkpoint: str | None = None,
    index: int | None = None,
) -> Run:
    """Put an activity under way for a call.

    Args:
        state: changed in place.
        node: for whose visit it works.
        token: the call's place at it.
        activity: name of the activity.
        summary: what people see of it.
        call: which of the calls of the visit it is.
        data: what the activity is given.
        timeout: seconds of an attempt; the node's when it is None.
        checkpoint: name of the checkpoint that it makes; a node without checkpoints makes none.
        index: of a tool call in the present turn.
    """
    run = Run(
        key=_key(state, node, token.visit),
        node_id=node.id,
        visit=token.visit,
        summary=summary,
        activity=activity,
        data=data,
        timeout=timeout or node.timeout,
        retry=node.data.retry,
        checkpoint=checkpoint if node.checkpoint is not None else None,
        call=call,
    )
    state.in_flight[run.key] = InFlight(run, token, CALL, index)
    return run


def make_wait(state: ExecutionState, node: GraphNode, token: Token, what: str, summary: str, until: datetime) -> Wait:
    """Put a wait under way for a call; it ends by itself at the given time."""
    wait = Wait(
        key=_key(state, node, token.visit),
        node_id=node.id,
        visit=token.visit,
        summary=summary,
        what="time",
        data={"for": what},
        deadline=until,
    )
    state.in_flight[wait.key] = InFlight(wait, token, CALL)
    return wait


def make_extraction(state: ExecutionState, call: Call, node: GraphNode, token: Token) -> Run | None:
    """Put the reading of values out of a visit under way, once; return None when there is nothing to read."""
    if call.extracted:
        return None
    call.extracted = True
    wanted = call_data.extraction(state, call, node, token)
    if wanted is None:
        return None
    return make_run(
        state,
        node,
        token,
        activity=RUN_AGENT.name,
        summary=f"{node.name}: extraction",
        call=f"extraction{call.turn}",
        data=wanted,
    )


def wait_for(state: ExecutionState, what: str) -> str | None:
    """Return the key of one of the call's waits."""
    waits = ((key, work.run) for key, work in state.in_flight.items() if is_wait(work))
    return next((key for key, wait in waits if wait.data["for"] == what), None)


def is_wait(work: InFlight) -> bool:
    """Whether it is one of the call's waits."""
    return work.loop == CALL and isinstance(work.run, Wait)


def is_duration(work: InFlight) -> bool:
    """Whether it is the wait for the end of the call's time."""
    return is_wait(work) and work.run.data["for"] == "duration"


def busy(state: ExecutionState) -> bool:
    """Whether an activity is under way for the call."""
    return any(work.loop == CALL and isinstance(work.run, Run) for work in state.in_flight.values())


def _key(state: ExecutionState, node: GraphNode, visit: int) -> str:
    state.dispatched += 1
    return f"{node.id}#{visit}#{state.dispatched}"
