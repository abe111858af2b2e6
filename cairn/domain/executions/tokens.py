"""What models write, told while they write it: from a worker through the database to those who follow an execution.

Nothing depends on it: when the database takes no more, a text ends early for its followers, and the node goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, insert, select, text, tuple_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from cairn.domain.executions.token_wakeups import CHANNEL
from cairn.errors import CairnError
from cairn.observability import get_logger
from cairn.persistence.session import Database
from cairn.persistence.tables import StreamChunkRow
from cairn.persistence.types import utc_now

BATCH = 0.05
"""Seconds for which a worker gathers what all its models write, before it writes it down at once."""

KEPT = timedelta(minutes=10)
"""So long after its last piece a text can be followed from its beginning."""

PAGE = 200
"""Pieces that are read at once, at most: what a slow follower costs in memory."""

_log = get_logger("cairn.tokens")


@dataclass(slots=True)
class TokenStream:
    """What one model call writes. Give it to :meth:`TokenWriter.close` at its end.

    Attributes:
        place: the columns that all its pieces share.
    """

    place: Mapping[str, Any]
    writer: TokenWriter
    number: int = 0
    broken: bool = False

    def write(self, piece: str, *, restart: bool = False) -> None:
        """Write on, or begin anew: then what was written before is void."""
        if not self.broken and (piece or restart):
            self.writer.add(self, piece, restart)


@dataclass(slots=True)
class _Piece:
    stream: TokenStream
    text: str
    restart: bool

    def values(self) -> dict[str, Any]:
        number, self.stream.number = self.stream.number, self.stream.number + 1
        told = {"number": number, "text": self.text.replace("\0", ""), "restart": self.restart}
        return {**self.stream.place, **told, "created_at": utc_now()}


@dataclass
class TokenWriter:
    """The one writer of a worker process: one transaction for all its models, at most twenty times a second."""

    database: Database
    _pending: list[_Piece] = field(default_factory=list[_Piece])
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _task: asyncio.Task[None] | None = None

    def add(self, stream: TokenStream, piece: str, restart: bool) -> None:
        """Take a piece; it is in the database soon."""
        last = next((each for each in reversed(self._pending) if each.stream is stream), None)
        if last is None or restart:
            self._pending.append(_Piece(stream, piece, restart))
        else:
            last.text += piece
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._flush_soon())

    async def close(self, stream: TokenStream) -> None:
        """Write down what is left of a stream before its node ends."""
        if not stream.broken:
            await self._flush()

    async def _flush_soon(self) -> None:
        while self._pending:
            await asyncio.sleep(BATCH)
            await self._flush()

    async def _flush(self) -> None:
        async with self._lock:
            batch, self._pending = self._pending, []
            if not batch:
                return
            try:
                async with self.database.transaction() as session:
                    await session.execute(insert(StreamChunkRow), [piece.values() for piece in batch])
                    await notify(session, {str(piece.stream.place["temporal_id"]) for piece in batch})
            except (CairnError, SQLAlchemyError) as error:
                for piece in batch:
                    piece.stream.broken = True  # a text with a hole would be worse than one that ends early
                _log.warning("tokens cannot be told", streams=len(batch), error=str(error).partition("\n")[0])


async def notify(session: AsyncSession, temporal_ids: set[str]) -> None:
    """Wake those who wait for news of executions, or of anything else that has an id, when the session commits."""
    if session.get_bind().dialect.name == "postgresql":
        statement = text("SELECT pg_notify(:channel, :id)")
        await session.execute(statement, [{"channel": CHANNEL, "id": each} for each in sorted(temporal_ids)])


@asynccontextmanager
async def stream_of(
    writer: TokenWriter,
    *,
    temporal_id: str,
    run_id: str,
    node_id: str,
    visit: int,
    call: str,
    attempt: int,
    scheduled_at: datetime,
) -> AsyncGenerator[TokenStream]:
    """Give the stream of one try of a model call; arguments as the columns of :class:`StreamChunkRow`."""
    place = {
        "temporal_id": temporal_id,
        "run_id": run_id,
        "node_id": node_id,
        "visit": visit,
        "call": call,
        "attempt": attempt,
        "scheduled_at": scheduled_at,
    }
    stream = TokenStream(place, writer)
    if attempt > 1:
        stream.write("", restart=True)  # those who saw what an earlier try wrote hear at once that it is void
    try:
        yield stream
    finally:
        await writer.close(stream)


@dataclass(frozen=True, slots=True)
class Visit:
    """A node that is under way in a run."""

    temporal_id: str
    run_id: str
    node_id: str
    visit: int


@dataclass(frozen=True, slots=True)
class Told:
    """Pieces of one text, joined; ``number`` is that of the last one in its try."""

    call: str
    attempt: int
    number: int
    text: str
    restart: bool
    at: datetime


@dataclass
class VisitReader:
    """Reads what the models of one visit of a node write, each piece once.

    Attributes:
        apart: a (try, number): what comes after this piece is not joined with what came before.
    """

    database: Database
    visit: Visit
    apart: tuple[int, int] | None = None
    _position: tuple[datetime, int, int] = (datetime.min.replace(tzinfo=UTC), 0, -1)

    def skip(self, until: datetime) -> None:
        """Leave out what belongs to tries that were scheduled before a time."""
        self._position = max(self._position, (until, 0, -1))

    async def read(self, call: str | None = None) -> tuple[list[Told], bool]:
        """Return what is new, of one call of the visit or of all, oldest first, and whether there may be more already.

        Raises:
            Unavailable: the database does not answer.
        """
        row, at = StreamChunkRow, self.visit
        position = tuple_(col(row.scheduled_at), col(row.attempt), col(row.number))
        query = (
            select(row)
            .where(col(row.temporal_id) == at.temporal_id, col(row.run_id) == at.run_id)
            .where(col(row.node_id) == at.node_id, col(row.visit) == at.visit)
            .where(position > self._position, *([] if call is None else [col(row.call) == call]))
            .order_by(col(row.scheduled_at), col(row.attempt), col(row.number))
            .limit(PAGE)
        )
        async with self.database.session() as session:
            rows = (await session.execute(query)).scalars().all()
        told: list[Told] = []
        for each in rows:
            began = each.number == 0 or (each.scheduled_at, each.attempt) != self._position[:2]
            joins = not (each.restart or began) and self._position[1:] != self.apart
            self._position = (each.scheduled_at, each.attempt, each.number)
            restart, text_ = each.restart or began, each.text
            if told and joins:
                last = told.pop()
                restart, text_ = last.restart, last.text + text_
            told.append(Told(each.call, each.attempt, each.number, text_, restart, each.created_at))
        return told, len(rows) == PAGE


async def purge_tokens(session: AsyncSession) -> None:
    """Remove the texts of visits that have been silent for :data:`KEPT`."""
    row, other = StreamChunkRow, aliased(StreamChunkRow)
    old = utc_now() - KEPT
    later = exists().where(
        col(other.temporal_id) == row.temporal_id,
        col(other.run_id) == row.run_id,
        col(other.node_id) == row.node_id,
        col(other.visit) == row.visit,
        col(other.created_at) >= old,
    )
    await session.execute(
        delete(row).where(col(row.created_at) < old, ~later).execution_options(synchronize_session=False)
    )
