"""What is shown of a call: how it stands, and what was said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cairn.contracts.json import JsonObject
from cairn.graph.dialogs import Call as CallState
from cairn.graph.dialogs import Said
from cairn.temporal.checkpoints import Projection


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a transcript.

    Attributes:
        text: empty for a recording that was played.
        turn: which utterance of the caller it is, or answers; 0 before the first.
    """

    role: Literal["agent", "caller"]
    text: str
    node_id: str
    turn: int
    at: datetime | None
    recording_id: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """The call of an execution.

    Attributes:
        node_id: where it stands; None between nodes and when it has been left.
        turn: how often the caller has spoken.
        disposition: how it ended, None while it goes on.
        variables: values that were extracted.
        problems: what went wrong beside the conversation: node_id, what, code, message.
    """

    node_id: str | None
    turn: int
    ended: bool
    disposition: str | None
    began_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float
    variables: JsonObject
    transcript: list[Line]
    problems: list[JsonObject]


def call_of(projection: Projection) -> Call | None:
    """Return the call of an execution, None when its graph is no voice graph or is not known yet."""
    state = projection.engine.state.call if projection.engine.started else None
    return None if state is None else _shown(state)


def lines_of(said: Iterable[Said]) -> list[Line]:
    """Return lines of a transcript as they are shown."""
    return [Line(s.role, s.text, s.node_id, s.turn, s.at, s.recording_id) for s in said]


def _shown(call: CallState) -> Call:
    return Call(
        node_id=call.token.node_id if call.token is not None else None,
        turn=call.turn,
        ended=call.disposition is not None,
        disposition=call.outcome,
        began_at=call.began_at,
        ended_at=call.ended_at,
        duration_seconds=call.seconds,
        variables=call.variables,
        transcript=lines_of(call.transcript),
        problems=call.problems,
    )
