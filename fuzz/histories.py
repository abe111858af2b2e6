"""Stored histories, and how they are damaged: events are dropped, doubled or swapped, and work brings other things."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from cairn.contracts.json import Json
from cairn.contracts.nodes import RUN_AGENT, RUN_TOOL
from cairn.temporal.events import Event, WorkCompleted
from cairn.temporal.history import read

_FOLDER = Path(__file__).parents[1] / "tests" / "histories"
_OPEN = (RUN_TOOL.name, RUN_AGENT.name)
"""Activities that may bring anything. What others bring, Cairn's own code says: they are left as they are."""
_VALUES: tuple[Json, ...] = (None, True, -1, 2.5, "text", [], [1, [{}]], {}, {"value": "x"}, {"node_id": None})


@dataclass(frozen=True, slots=True)
class History:
    """A stored history.

    Attributes:
        events: as the projection takes them.
        open: events that command work that may bring anything.
    """

    events: list[Event]
    open: frozenset[int]


Piece: TypeAlias = tuple[list[Event], int]
"""The next events as they are told, and how far the history is then."""


def told(history: History, script: bytes) -> Iterator[list[Event]]:
    """Yield a history in pieces, as a script has it.

    Args:
        history: the history.
        script: for each piece two bytes: which of ``DAMAGE``, and how many events or which value.
    """
    at = 0
    for what, much in zip(script[::2], script[1::2], strict=False):
        piece, at = DAMAGE[what % len(DAMAGE)](history, at, much)
        yield piece


def _taken(history: History, at: int, much: int) -> Piece:
    return history.events[at : at + much], at + much


def _brought(history: History, at: int, much: int) -> Piece:
    for end in range(at, len(history.events)):
        event = history.events[end]
        if isinstance(event, WorkCompleted) and event.scheduled_id in history.open:
            result = event.result.model_copy(update={"value": _VALUES[much % len(_VALUES)]})
            return [*history.events[at:end], replace(event, result=result)], end + 1
    return [], at


def _dropped(history: History, at: int, much: int) -> Piece:
    return [], at + 1 + much % 4


def _doubled(history: History, at: int, much: int) -> Piece:
    piece = history.events[at : at + 1 + much % 4]
    return piece * 2, at + len(piece)


def _swapped(history: History, at: int, much: int) -> Piece:
    piece = history.events[at : at + 2 + much % 3]
    return piece[::-1], at + len(piece)


DAMAGE: tuple[Callable[[History, int, int], Piece], ...] = (_taken, _brought, _dropped, _doubled, _swapped)
HARMLESS = 2
"""How many of them leave every event where it is."""


def _stored() -> list[History]:
    async def all_of() -> list[History]:
        found = []
        for file in sorted(_FOLDER.glob("*/*.json")):
            events = WorkflowHistory.from_json("execution", file.read_text()).events
            work = (
                (each.event_id, each.activity_task_scheduled_event_attributes.activity_type.name) for each in events
            )
            known = frozenset(id for id, activity in work if activity in _OPEN)
            found.append(History(await read(events, pydantic_data_converter), known))
        return found

    return asyncio.run(all_of())


HISTORIES = _stored()
