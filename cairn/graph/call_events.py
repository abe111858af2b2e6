"""What happens to a call from outside: the caller speaks, is silent, hangs up; time passes, or stands still."""

from __future__ import annotations

from datetime import datetime

from cairn.contracts.calls import HANGUP, UTTERANCE
from cairn.contracts.executions import OutsideEvent
from cairn.graph import call_data
from cairn.graph.call_work import CALL, is_duration, is_wait, wait_for
from cairn.graph.dialogs import COMPLETED, Call, Said
from cairn.graph.state import ExecutionState, Wait

IDLE = "user_idle_max_duration_exceeded"
TOO_LONG = "call_duration_exceeded"
HUNG_UP = "user_hangup"


def hold(state: ExecutionState) -> None:
    """Take note that the execution is paused: the time of its call stands still."""
    if state.call is not None:
        state.call.held = True


def pass_time(state: ExecutionState, now: datetime) -> bool:
    """Hear what the caller has said or done, and how long they have been silent; return whether anything came of it."""
    call = state.call
    if call is None or call.finished:
        return False
    _keep_clock(state, call, now)
    if call.disposition is not None:
        return False
    heard = [event for event in state.inbox if event.name in (UTTERANCE, HANGUP)]
    ended = next((event for event in heard if event.name == HANGUP), None)
    if ended is not None:
        for event in heard[: heard.index(ended)]:
            _hear(state, call, event, now)
        state.inbox.remove(ended)
        hang_up(state, call, _said_why(ended), now)
        return True
    listening = wait_for(state, UTTERANCE)
    for event in heard if listening is not None else []:
        if _hear(state, call, event, now):
            del state.in_flight[listening or ""]
            state.due.append(CALL)
            return True
    return _over(state, call, now)


def _keep_clock(state: ExecutionState, call: Call, now: datetime) -> None:
    """Shift what the call waits for by the time in which the execution was paused, or had not begun."""
    if (call.held or state.spent.since is None) and call.clock is not None:
        if call.began_at is not None:
            call.began_at += now - call.clock
        for key in [key for key, work in state.in_flight.items() if is_wait(work)]:
            del state.in_flight[key]
        state.due.append(CALL)
    call.held, call.clock = False, now
    for said in call.transcript[::-1]:
        if said.at is not None:
            break
        said.at = now


def _hear(state: ExecutionState, call: Call, event: OutsideEvent, now: datetime) -> bool:
    """Take an utterance; one without words is dropped."""
    state.inbox.remove(event)
    text = call_data.members(event.payload).get("text") or event.payload
    if not isinstance(text, str) or not text.strip():
        return False
    call.turn, call.heard, call.asked = call.turn + 1, text, 0
    node_id = call.token.node_id if call.token is not None else ""
    call.transcript.append(Said("caller", text, node_id, call.turn, now, event.event_id))
    return True


def _said_why(event: OutsideEvent) -> str:
    why = call_data.members(event.payload).get("disposition")
    return why[:100] if isinstance(why, str) and why else HUNG_UP


def _over(state: ExecutionState, call: Call, now: datetime) -> bool:
    """End what has taken its time: the pause before the greeting, the caller's silence, the whole call."""
    for key, work in list(state.in_flight.items()):
        wait = work.run
        if not is_wait(work) or not isinstance(wait, Wait) or wait.deadline is None or wait.deadline > now:
            continue
        if wait.data["for"] == "delay":
            del state.in_flight[key]
            call.stage = "greet"
            state.due.append(CALL)
        else:
            hang_up(state, call, IDLE if wait.data["for"] == UTTERANCE else TOO_LONG, now)
        return True
    return False


def hang_up(state: ExecutionState, call: Call, disposition: str, now: datetime) -> None:
    """End the call, and all that is under way for it."""
    call.disposition, call.ended_at = disposition, now
    call.tools.clear()
    state.ready.clear()
    state.in_flight.clear()
    state.loops.clear()
    state.forks.clear()
    state.due = [CALL]


def conclude(state: ExecutionState, now: datetime) -> None:
    """See to it that a call comes to its end when nothing is left to do in the graph, or when the execution fails."""
    call = state.call
    if call is None or call.finished:
        return
    if call.disposition is None:
        if state.failure is not None:
            call.failure, state.failure = state.failure, None
            hang_up(state, call, "failed", now)
        elif not (state.ready or state.due or state.loops) and _only_waits(state):
            hang_up(state, call, COMPLETED, now)
    elif not (state.due or state.in_flight):
        state.due.append(CALL)


def _only_waits(state: ExecutionState) -> bool:
    """Whether nothing is under way but the end of the call's time."""
    return all(is_duration(work) for work in state.in_flight.values())
