"""Speaking in a call, and waiting for the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from cairn import errors
from cairn.contracts.calls import HANGUP, UTTERANCE
from cairn.contracts.executions import Phase
from cairn.domain.calls.view import Line, lines_of
from cairn.domain.executions.outside import Event, send_event
from cairn.domain.executions.service import ExecutionService
from cairn.graph.call_data import members
from cairn.graph.call_work import wait_for
from cairn.graph.state import ExecutionState
from cairn.temporal.checkpoints import Projection

_FIRST_LOOK, _LONGEST_LOOK = 0.02, 0.25
"""Seconds between two looks at the execution."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the agent has said in answer to an utterance.

    Attributes:
        text: all of it.
        node_id: the node in which the call then stands, None when it has been left.
        turn: which utterance of the call it answers.
        ended: the call has ended.
    """

    text: str
    node_id: str | None
    turn: int
    ended: bool
    disposition: str | None
    lines: list[Line]


async def converse(
    executions: ExecutionService, execution_id: str, event: Event, patience: float, key: str | None = None
) -> tuple[str, Reply | None]:
    """Say something in a call; return the event's id and what is answered, None when that takes longer.

    Args:
        executions: of the caller.
        execution_id: the execution of a voice graph.
        event: an utterance or a hang-up.
        patience: seconds to wait for the answer; what was said is heard all the same.
        key: as of ``send_event``.

    Raises:
        InvalidInput: an utterance without words.
        Conflict: the execution has no call (``no_call``), or none that answers to this event (``no_answer``); and as of
            ``send_event``.
    """
    end = time.monotonic() + patience
    await _require_call(executions, execution_id, end)
    _require_words(event)
    event_id = await send_event(executions, execution_id, event, key)
    return event_id, await _answer(executions, execution_id, event_id, end)


def _require_words(event: Event) -> None:
    if event.name not in (UTTERANCE, HANGUP):
        raise errors.Conflict(f"A call answers to {UTTERANCE} and {HANGUP} alone", code="no_answer")
    text = members(event.payload).get("text")
    if event.name == UTTERANCE and not (isinstance(text, str) and text.strip()):
        problem = errors.FieldError("/payload/text", "has to be what the caller says")
        raise errors.InvalidInput("An utterance has a text", errors=[problem])


async def _require_call(executions: ExecutionService, execution_id: str, end: float) -> None:
    """Refuse an execution that is known to have no call; one whose graph is not known in time is told all the same."""
    async for projection, _ in _looks(executions, execution_id, end):
        if projection.engine.started:
            if projection.engine.state.call is None:
                raise errors.Conflict("The execution has no call: its graph is no voice graph", code="no_call")
            return


async def _answer(executions: ExecutionService, execution_id: str, event_id: str, end: float) -> Reply | None:
    async for projection, closed in _looks(executions, execution_id, end):
        if projection.engine.started and (reply := _reply(projection, event_id, closed)) is not None:
            return reply
    return None


async def _looks(executions: ExecutionService, execution_id: str, end: float) -> AsyncIterator[tuple[Projection, bool]]:
    """Yield the execution, and whether it has ended, again and again until the time is over."""
    # Not cut short by a timeout: a connection to the database would be lost in the middle of a query.
    wait = _FIRST_LOOK
    while True:
        _, now = await executions.located(execution_id)
        yield await executions.temporal.project(now), now.phase not in (Phase.RUNNING, Phase.PAUSED)
        left = end - time.monotonic()
        if left <= 0:
            return
        await asyncio.sleep(min(wait, left))
        wait = min(wait * 1.5, _LONGEST_LOOK)


def _reply(projection: Projection, event_id: str, closed: bool) -> Reply | None:
    """Return the answer to an utterance; None when it is not whole yet."""
    state = projection.engine.state
    call = state.call
    if call is None:
        return None
    place = next((i for i, said in enumerate(call.transcript) if said.event_id == event_id), None)
    after = call.transcript[place + 1 :] if place is not None else []
    spoken = [next((i for i, said in enumerate(after) if said.role == "caller"), None)]
    over = closed or call.disposition is not None
    if not over and (place is None or (spoken[0] is None and not _listens(state))):
        return None
    answer = after[: spoken[0]]
    return Reply(
        text="\n".join(said.text for said in answer if said.text),
        node_id=call.token.node_id if call.token is not None else None,
        turn=call.transcript[place].turn if place is not None else call.turn,
        ended=over,
        disposition=call.outcome,
        lines=lines_of(answer),
    )


def _listens(state: ExecutionState) -> bool:
    return wait_for(state, UTTERANCE) is not None
