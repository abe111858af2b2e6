"""Reading what models write: each reader by its own position, from what is kept for all readers or from the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from typing import NamedTuple, TypeAlias

from sqlalchemy import select, tuple_
from sqlmodel import col

from cairn.persistence.session import Database
from cairn.persistence.tables import StreamChunkRow

PAGE = 100
"""Pieces that are read at once, at most."""

MOST = 32 * 1024
"""Characters that are told at once, and a piece more: what a follower that does not read costs in memory."""

Position: TypeAlias = tuple[datetime, int, int]
"""When a try was scheduled, which one it is, and the number of a piece of it."""

BEGINNING: Position = (datetime.min.replace(tzinfo=UTC), 0, -1)


@dataclass(frozen=True, slots=True)
class Visit:
    """A node that is under way in a run."""

    temporal_id: str
    run_id: str
    node_id: str
    visit: int


class Piece(NamedTuple):
    """A row of :class:`StreamChunkRow`."""

    scheduled_at: datetime
    attempt: int
    number: int
    call: str
    text: str
    restart: bool
    created_at: datetime
    reasoning: str = ""

    @property
    def size(self) -> int:
        """Characters of it."""
        return len(self.text) + len(self.reasoning)

    @property
    def position(self) -> Position:
        """Where it stands among the pieces of its visit."""
        return self.scheduled_at, self.attempt, self.number


@dataclass(frozen=True, slots=True)
class Told:
    """Pieces of one text or of reasoning, joined: in their try those numbered from ``first`` to ``number``."""

    call: str
    attempt: int
    first: int
    number: int
    text: str
    restart: bool
    at: datetime
    reasoning: str = ""


async def stored(database: Database, visit: Visit, after: Position, call: str | None = None) -> list[Piece]:
    """Return the next pieces of a visit, of one call or of all, oldest first, :data:`PAGE` at most.

    Raises:
        Unavailable: the database does not answer.
    """
    row = StreamChunkRow
    at = col(row.scheduled_at), col(row.attempt), col(row.number)
    query = (
        select(*at, col(row.call), col(row.text), col(row.restart), col(row.created_at), col(row.reasoning))
        .where(col(row.temporal_id) == visit.temporal_id, col(row.run_id) == visit.run_id)
        .where(col(row.node_id) == visit.node_id, col(row.visit) == visit.visit)
        .where(tuple_(*at) > after, *([] if call is None else [col(row.call) == call]))
        .order_by(*at)
        .limit(PAGE)
    )
    async with database.session() as session:
        return [Piece(*found) for found in await session.execute(query)]


@dataclass
class KeptText:
    """What the models of one visit wrote last, read once for all who follow.

    Attributes:
        size: characters that are kept.
    """

    database: Database
    visit: Visit
    size: int = 0
    _pieces: list[Piece] = field(default_factory=list[Piece])
    _before: Position = BEGINNING
    _last: Position = BEGINNING

    async def read(self, most: int) -> bool:
        """Read what is new; keep so many characters of all. Return whether there was any.

        Raises:
            Unavailable: the database does not answer.
        """
        news, found = False, await stored(self.database, self.visit, self._last)
        while found:
            news, self._last = True, found[-1].position
            self._pieces += found
            self.size += sum(each.size for each in found)
            self.shed(self.size - most)
            found = await stored(self.database, self.visit, self._last) if len(found) == PAGE else []
        return news

    def shed(self, characters: int) -> None:
        """Let go of so many characters, the oldest first, or of all."""
        number, freed = 0, 0
        while freed < characters and number < len(self._pieces):
            freed += self._pieces[number].size
            number += 1
        if number:
            self._before = self._pieces[number - 1].position
            del self._pieces[:number]
            self.size -= freed

    def after(self, position: Position, call: str | None) -> Sequence[Piece] | None:
        """Return the pieces after a position, of one call or of all; None when not all of them are kept."""
        if position < self._before:
            return None
        new = list(takewhile(lambda piece: piece.position > position, reversed(self._pieces)))
        return [piece for piece in reversed(new) if call is None or piece.call == call]


@dataclass
class VisitReader:
    """Reads what the models of one visit of a node write, each piece once.

    Attributes:
        apart: a (try, number): what comes after this piece is not joined with what came before.
        reasoning: tell it, too.
    """

    database: Database
    visit: Visit
    apart: tuple[int, int] | None = None
    reasoning: bool = False
    _position: Position = BEGINNING

    def skip(self, until: datetime) -> None:
        """Leave out what belongs to tries that were scheduled before a time."""
        self._position = max(self._position, (until, 0, -1))

    async def read(self, call: str | None = None, kept: KeptText | None = None) -> tuple[list[Told], bool]:
        """Return what is new, oldest first, and whether there may be more already.

        Args:
            call: of this call of the visit; None: of all.
            kept: where it is looked for before the table is.

        Raises:
            Unavailable: the database does not answer.
        """
        found = kept.after(self._position, call) if kept is not None else None
        if found is None:
            found = await stored(self.database, self.visit, self._position, call)
        told: list[Told] = []
        size = 0
        for number, each in enumerate(found):
            if size >= MOST or number == PAGE:
                return told, True
            size += each.size
            began = each.number == 0 or (each.scheduled_at, each.attempt) != self._position[:2]
            joins = not (each.restart or began) and self._position[1:] != self.apart
            self._position = each.position
            first, restart = each.number, each.restart or began
            text, thought = each.text, each.reasoning if self.reasoning else ""
            if told and joins and bool(told[-1].reasoning) == bool(thought):
                last = told.pop()
                first, restart = last.first, last.restart
                text, thought = last.text + text, last.reasoning + thought
            if restart or text or thought:
                pieces = each.attempt, first, each.number
                told.append(Told(each.call, *pieces, text, restart, each.created_at, thought))
        return told, len(found) == PAGE
