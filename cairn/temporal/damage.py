"""Histories that are none of Temporal's and Cairn's: what a projection refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from typing import Any, NotRequired

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from cairn.contracts.calls import SPEAK
from cairn.contracts.executions import DoneWork
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import CALL_MODEL, RUN_SEGMENT, NodeResult
from cairn.errors import CairnError
from cairn.graph.state import Run, Work
from cairn.temporal.events import Event, Started


class HistoryDamaged(CairnError):
    """A history has an event twice or out of turn, lacks what an execution begins with, or holds foreign values."""

    code = "history_damaged"


@contextlib.contextmanager
def readable() -> Generator[None]:
    """Tell of a history that breaks the fold over it.

    Raises:
        HistoryDamaged: a payload has the form that its event demands, and what stands in it cannot be gone on with.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise HistoryDamaged(f"What the history holds is none of Cairn's: {type(error).__name__}.") from error


def follows(event: Event, last: int) -> None:
    """Refuse an event that cannot come after the one with this id, 0 for none.

    Raises:
        HistoryDamaged: it was told already, or stands before that one, or is no beginning where there is none.
    """
    if event.id <= last or isinstance(event, Started) == bool(last):
        raise HistoryDamaged(f"{type(event).__name__} {event.id} cannot come after event {last}.")


def needs_graph(known: bool, event: Event) -> None:
    """Refuse what happens before the graph of the execution is known.

    Raises:
        HistoryDamaged: it is not known.
    """
    if not known:
        raise HistoryDamaged(f"{type(event).__name__} {event.id} comes before the graph of the execution is known.")


class _Call(TypedDict):
    id: str
    tool: str
    arguments: JsonObject
    names: NotRequired[list[str] | None]


class _Way(TypedDict):
    id: str
    name: str


class _Answer(TypedDict):
    answer: Json


class _Calls(TypedDict):
    calls: list[_Call]


class _Spoken(_Calls):
    history: Json
    text: str
    transitions: list[_Way]


class _Segment(TypedDict):
    done: list[DoneWork]
    checkpoint: str | None
    node_id: str


_SHAPES: dict[str, TypeAdapter[Any]] = {
    CALL_MODEL.name: TypeAdapter(_Answer | _Calls),
    SPEAK.name: TypeAdapter(_Spoken),
    RUN_SEGMENT.name: TypeAdapter(_Segment),
}
SHAPED: Sequence[str] = tuple(_SHAPES)
"""Activities whose results the engine takes apart. What others bring is a value to it, and may be any."""


def fits(work: Work, result: NodeResult) -> None:
    """Refuse a result that is not of the form in which Cairn's own activity brings it.

    Raises:
        HistoryDamaged: it is of another one.
    """
    shape = _SHAPES.get(work.activity) if isinstance(work, Run) else None
    if shape is None:
        return
    try:
        found = shape.validate_python(result.value)
        if shape is _SHAPES[RUN_SEGMENT.name]:
            for done in found["done"]:
                NodeResult.model_validate(done.result)
    except ValidationError:
        raise HistoryDamaged(f"What {work.key!r} brought has not the form of a result of its activity.") from None
