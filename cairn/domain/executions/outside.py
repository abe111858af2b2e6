"""Events from outside, which ``wait`` nodes wait for."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

from cairn import errors
from cairn.contracts.executions import OutsideEvent, Phase
from cairn.contracts.json import Json, canonical
from cairn.domain.executions.service import ExecutionService
from cairn.graph.waits import INBOX, INBOX_BYTES
from cairn.temporal.signals import has_room, signal_event, was_told

LIMIT = 1024 * 1024
"""Bytes of an event's JSON: payload and correlation."""

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Event:
    """What happened.

    Attributes:
        name: which waits are meant.
        payload: what the wait returns.
        correlation: what the wait's own has to be; a wait that has none takes any.
        event_id: names the event; the same one sent again is ignored.
    """

    name: str
    payload: Json = None
    correlation: Json = None
    event_id: str | None = None


async def send_event(executions: ExecutionService, execution_id: str, event: Event, key: str | None = None) -> str:
    """Tell an execution of an event, whether it waits for it by now or not; return the event's id.

    Args:
        executions: of the caller.
        execution_id: the execution.
        event: what happened.
        key: names the caller's request over all its tries; they are one event.

    Raises:
        NotFound: no such execution.
        Conflict: it has ended, or has not reached Temporal yet, or keeps as many events as it can.
        PayloadTooLarge: the event is over 1 MiB.
        Unavailable: Temporal does not answer.
    """
    if len(canonical([event.payload, event.correlation]).encode(errors="replace")) > LIMIT:
        raise errors.PayloadTooLarge(f"The event is over {LIMIT} bytes", code="event_too_large")
    event_id = event.event_id or _id_of(key)
    for _ in range(_TRIES):
        _, now = await executions.located(execution_id)
        if now.phase not in (Phase.RUNNING, Phase.PAUSED):
            if await was_told(executions.temporal, now, event_id):
                return event_id  # by this request, in a try that could not tell
            raise errors.Conflict(f"The execution is {now.phase}", code="execution_closed")
        told = OutsideEvent(
            event_id=event_id,
            lineage=now.run_id,
            name=event.name,
            correlation=event.correlation,
            payload=event.payload,
        )
        if not await has_room(executions.temporal, now, told):
            message = "The execution keeps as many events as it can: it has to wait for some of them first"
            raise errors.Conflict(message, code="inbox_full", extra={"events": INBOX, "bytes": INBOX_BYTES})
        if await signal_event(executions.temporal, now, told):
            return event_id
    raise errors.Conflict("The execution is being reset", code="reset_in_progress", retry_after=1.0)


def _id_of(key: str | None) -> str:
    return f"evt_{hashlib.sha256(key.encode()).hexdigest()[:32] if key else uuid.uuid4().hex}"
