"""Waiting for people, outside events and times. No command but a timer that wakes the workflow: months cost nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cairn.contracts.executions import NodeFailure, OutsideEvent
from cairn.contracts.json import Json, JsonObject, canonical
from cairn.errors import Conflict, FieldError, InvalidInput
from cairn.graph.compiled import Graph, GraphNode
from cairn.graph.expressions import ExpressionError
from cairn.graph.results import node_done
from cairn.graph.schema import validate_json
from cairn.graph.state import Child, ExecutionState, InFlight, Notice, Run, Wait

APPROVAL_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "decision": {"enum": ["approved", "denied"]},
        "by": {"type": "string"},
        "reason": {"type": ["string", "null"]},
        "modified_arguments": {"type": ["object", "null"]},
    },
    "required": ["decision"],
}
INBOX = 1000
"""So many outside events that nobody waits for yet are kept: more are refused, unless somebody waits for them."""

INBOX_BYTES = 4 * 1024 * 1024
"""The same in bytes of their JSON: they are carried from run to run."""

HEARD = 1000
"""So many ids of outside events are remembered, so that one that is sent again is ignored."""


def make_wait(
    node: GraphNode, visit: int, key: str, data: JsonObject, now: datetime, line: str, temporal_id: str, engine: int
) -> Wait:
    """Return the wait that a node asks for.

    Args:
        node: of a kind that waits.
        visit: which visit of it.
        key: of the work.
        data: as the kind resolved it.
        now: workflow time.
        line: the execution's line; with the key it makes the id of a person's request.
        temporal_id: the execution's Temporal workflow id.
        engine: the rules that the execution keeps to.

    Raises:
        ExpressionError: the time to wait for is none.
    """
    what = node.kind.waits_for
    if what is None:
        raise AssertionError(f"{node.kind.type} does not wait")
    asks = what in ("approval", "question")
    what = "event" if what == "time" and data.get("event") is not None else what
    deadline = _until(data, now) if what == "time" else None
    timeout = later(now, node.timeout) if node.timeout is not None else None
    cut = deadline is not None and timeout is not None and timeout < deadline and engine > 3
    escalate = data.get("escalate")
    return Wait(
        key=key,
        node_id=node.id,
        visit=visit,
        summary=node.name,
        what=what,
        data=data,
        deadline=timeout if deadline is None or cut else deadline,
        cut=cut,
        request_id=request_id(what, temporal_id, key, line) if asks else None,
        escalate_at=later(now, escalate["after"]) if escalate else None,
    )


def request_id(what: str, temporal_id: str, key: str, line: str) -> str:
    """Return the id of the request to a person that a piece of work in a line of an execution makes."""
    prefix = "appr" if what == "approval" else "qst"
    return f"{prefix}_{hashlib.sha256(f'{temporal_id}/{key}/{line}'.encode()).hexdigest()[:32]}"


def later(now: datetime, seconds: float) -> datetime:
    """Return the time in so many seconds.

    Raises:
        ExpressionError: there is no such time.
    """
    try:
        return now + timedelta(seconds=max(seconds, 0))
    except (OverflowError, ValueError) as error:
        raise ExpressionError(f"{seconds} seconds is too long to wait") from error


def _until(data: JsonObject, now: datetime) -> datetime:
    seconds, until = data.get("seconds"), data.get("until")
    if until is None:
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise ExpressionError("the seconds to wait are no number")
        return later(now, seconds)
    try:
        time = datetime.fromisoformat(str(until))
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise ExpressionError(f"{until!r} is no time (RFC 3339)") from error


def expire(state: ExecutionState, now: datetime) -> list[tuple[InFlight, NodeFailure | None]]:
    """Take out the waits and children that are overdue, with the failure; None of a time that has come."""
    over: list[tuple[InFlight, NodeFailure | None]] = []
    for key, work in list(state.in_flight.items()):
        run = work.run
        if isinstance(run, Run) or run.deadline is None or run.deadline > now:
            continue
        del state.in_flight[key]
        if isinstance(run, Wait) and run.request_id is not None:
            state.notices.append(Notice(run, "expired"))
        come = isinstance(run, Wait) and run.what == "time" and not run.cut
        over.append((work, None if come else _overdue(run, run.deadline)))
    return over


def _overdue(run: Wait | Child, deadline: datetime) -> NodeFailure:
    what = "was still at work at" if isinstance(run, Child) else "waited in vain until"
    said = f"node {run.summary!r} {what} {deadline.isoformat()}"
    return NodeFailure(code="timeout", message=said, node_id=run.node_id, visit=run.visit)


def escalate(state: ExecutionState, now: datetime) -> None:
    """Ask further people where nobody has answered in time."""
    for work in state.in_flight.values():
        wait = work.run
        if isinstance(wait, Wait) and wait.escalate_at is not None and wait.escalate_at <= now:
            work.run = wait = _escalated(wait)
            state.notices.append(Notice(wait, escalated=True))


def _escalated(wait: Wait) -> Wait:
    asked: list[str] = wait.data["assignees"]
    # None named is anyone: naming some as well must not shut the others out.
    assignees = list(dict.fromkeys([*asked, *wait.data["escalate"]["assignees"]])) if asked else []
    return replace(wait, escalate_at=None, data={**wait.data, "assignees": assignees})


def hear(state: ExecutionState, event: OutsideEvent) -> None:
    """Take an outside event; one that was heard already is ignored."""
    if event.event_id in state.heard:
        return
    state.heard = [*state.heard[-(HEARD - 1) :], event.event_id]
    state.inbox.append(event)


def has_room(state: ExecutionState | None, kept: Sequence[OutsideEvent], event: OutsideEvent) -> bool:
    """Whether an execution can take one more outside event.

    Args:
        state: of the execution; None before it has begun.
        kept: those that it keeps already, also those that no turn has seen yet.
        event: the one more.
    """
    if len(kept) < INBOX and sum(map(_size, kept)) + _size(event) <= INBOX_BYTES:
        return True
    if any(each.event_id == event.event_id for each in kept):
        return True  # it is no more: the same one again
    if state is None:
        return False
    waits = [work.run for work in state.in_flight.values() if isinstance(work.run, Wait) and work.run.what == "event"]
    wanted = any(_means(event, wait) and not any(_means(each, wait) for each in kept) for wait in waits)
    return wanted or event.event_id in state.heard


def _size(event: OutsideEvent) -> int:
    return len(canonical([event.name, event.correlation, event.payload]).encode(errors="replace"))


def deliver(graph: Graph, state: ExecutionState) -> list[tuple[InFlight, Json]]:
    """Take out the waits whose event has come, oldest wait and oldest event first, with the event's payload."""
    met: list[tuple[InFlight, Json]] = []
    for key, work in list(state.in_flight.items()):
        wait = work.run
        if isinstance(wait, Wait) and wait.what == "event":
            event = next((e for e in state.inbox if _means(e, wait)), None)
            if event is not None:
                state.inbox.remove(event)
                del state.in_flight[key]
                met.append((work, event.payload))
    return met


def _means(event: OutsideEvent, wait: Wait) -> bool:
    wanted: JsonObject = wait.data["event"]
    correlation = wanted.get("correlation")
    return event.name == wanted["name"] and (correlation is None or correlation == event.correlation)


def find(state: ExecutionState, request_id: str, now: datetime) -> tuple[str, Wait]:
    """Return key and wait of a request that is open.

    Raises:
        Conflict: it is not open, or its time is over.
    """
    for key, work in state.in_flight.items():
        if isinstance(work.run, Wait) and work.run.request_id == request_id:
            if work.run.deadline is not None and work.run.deadline <= now:
                raise Conflict("The request has expired", code="request_expired")
            return key, work.run
    raise Conflict("The request is not open", code="request_not_open")


def check_answer(wait: Wait, value: Json) -> None:
    """Refuse an answer that is not of the form that was asked for.

    Raises:
        InvalidInput: with one error a value.
    """
    schema = APPROVAL_SCHEMA if wait.what == "approval" else wait.data.get("schema")
    if schema is None:
        return
    errors = [FieldError(e.pointer, e.message) for e in validate_json(schema, value)]
    if errors:
        raise InvalidInput("The answer breaks its schema", errors=errors)


def decision(value: Json) -> JsonObject:
    """Return what an approval gives: every member is there."""
    return {
        "decision": value["decision"],
        "by": value.get("by", ""),
        "reason": value.get("reason"),
        "modified_arguments": value.get("modified_arguments"),
    }


def answer(graph: Graph, state: ExecutionState, key: str, value: Json, by: str) -> InFlight:
    """Take an answer that was checked; return the work that ended, for a node's own wait already done."""
    work = state.in_flight.pop(key)
    wait = work.run
    if not isinstance(wait, Wait):
        raise AssertionError(f"{key} is no wait")
    value = decision({**value, "by": by or value.get("by", "")}) if wait.what == "approval" else value
    status = value["decision"] if wait.what == "approval" else "answered"
    state.notices.append(Notice(wait, status, by, value))
    if work.loop is None:
        node_done(graph, state, wait, work.token, value)
    return work
