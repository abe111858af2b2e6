"""Stored histories, and how they are damaged: events are dropped, doubled or swapped, and hold other things."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, cast

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from cairn.contracts.json import Json, JsonObject
from cairn.temporal.damage import SHAPED
from cairn.temporal.events import Event, WorkCompleted
from cairn.temporal.history import read

_FOLDER = Path(__file__).parents[1] / "tests" / "histories"
VALUES: tuple[Json, ...] = (None, True, -1, 2.5, "text", [], [1, [{}]], {}, {"value": "x"}, {"node_id": None})


@dataclass(frozen=True, slots=True)
class History:
    """A stored history.

    Attributes:
        events: as the projection takes them.
        raw: as Temporal has them.
        open: events that command work that may bring anything. What the results of others look like, Cairn's own code
            says.
    """

    events: list[Event]
    raw: list[HistoryEvent]
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
            result = event.result.model_copy(update={"value": VALUES[much % len(VALUES)]})
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


def _bent(history: History, at: int, much: int) -> Piece:
    """Replace or take away a part of what any work brought, or all: five bits of ``much`` say where, three how."""
    for end in range(at, len(history.events)):
        event = history.events[end]
        if isinstance(event, WorkCompleted):
            value = bent(event.result.value, much >> 3, much & 7)
            result = event.result.model_copy(update={"value": value})
            return [*history.events[at:end], replace(event, result=result)], end + 1
    return [], at


def bent(value: Json, place: int, how: int) -> Json:
    """Return a copy of a value with another value, or none, at one of its places.

    Args:
        value: any.
        place: which, counted from the top: itself, its members, their members.
        how: 0 for none, else which of ``VALUES``.
    """
    whole = [copy.deepcopy(value)]
    places: list[tuple[Any, Any]] = [(whole, 0)]
    for holder, name in places:
        match holder[name]:
            case dict() as members:
                places += [(members, each) for each in cast(JsonObject, members)]
            case list() as items:
                places += [(items, each) for each in range(len(cast(list[Json], items)))]
            case _:
                pass
    holder, name = places[place % len(places)]
    if how == 0 and holder is not whole:
        del holder[name]
    else:
        holder[name] = VALUES[how % len(VALUES)]
    return whole[0]


DAMAGE: tuple[Callable[[History, int, int], Piece], ...] = (_taken, _brought, _dropped, _doubled, _swapped, _bent)
HARMLESS = 2
"""How many of them leave every event where it is."""


def with_payload(history: History, which: int, made: Callable[[bytes], bytes]) -> list[Event]:
    """Return the events of a history one of whose payloads is another.

    Args:
        history: the history.
        which: of its payloads.
        made: returns the other one.

    Raises:
        HistoryDamaged: it cannot be read any more.
    """
    holding = [(raw, place) for raw in history.raw for place in range(len(_payloads(raw)))]
    chosen, place = holding[which % len(holding)]
    damaged = HistoryEvent()
    damaged.CopyFrom(chosen)
    payload = _payloads(damaged)[place]
    payload.data = made(payload.data)
    found = {event.id: event for event in asyncio.run(read([damaged], pydantic_data_converter))}
    return [found.get(event.id, event) for event in history.events]


def _payloads(message: Message) -> list[Payload]:
    """Return the payloads of a message and of those in it, except what is for people alone."""
    if isinstance(message, Payload):
        return [message]
    found: list[Payload] = []
    for field, value in message.ListFields():
        if field.message_type is not None and field.name != "user_metadata":
            of_map = field.message_type.GetOptions().map_entry
            parts = value.values() if of_map else value if field.is_repeated else [value]
            found += [each for part in parts if isinstance(part, Message) for each in _payloads(part)]
    return found


def _stored() -> list[History]:
    async def all_of() -> list[History]:
        found = []
        for file in sorted(_FOLDER.glob("*/*.json")):
            events = WorkflowHistory.from_json("execution", file.read_text()).events
            work = (
                (each.event_id, each.activity_task_scheduled_event_attributes.activity_type.name) for each in events
            )
            known = frozenset(id for id, activity in work if activity not in SHAPED)
            found.append(History(await read(events, pydantic_data_converter), list(events), known))
        return found

    return asyncio.run(all_of())


HISTORIES = _stored()
