"""What models write, told while they write it: from a worker through the database to those who follow an execution.

Nothing depends on it: when the database takes no more, a text ends early for its followers, and the node goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy import delete, exists, insert, text
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
"""Seconds between two times that a worker writes down what all its models wrote; the first piece waits for nothing."""

KEPT = timedelta(minutes=10)
"""So long after its last piece a text can be followed from its beginning."""

LONGEST = 4096
"""Characters of a piece, at most: so a page of them has a bound, too."""

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

    def write(self, piece: str, *, restart: bool = False, reasoning: bool = False) -> None:
        """Write on, the answer or the reasoning, or begin anew: then what was written before is void."""
        piece = piece.replace("\0", "")  # no database's text has it, and what is left of it may be nothing
        if not self.broken and (piece or restart):
            self.writer.add(_Piece(self, piece, restart, reasoning))


@dataclass(slots=True)
class _Piece:
    stream: TokenStream
    text: str
    restart: bool
    reasoning: bool

    def take(self, more: _Piece) -> bool:
        """Become longer by what comes next, if it can be."""
        joins = more.reasoning == self.reasoning and not more.restart and len(self.text) + len(more.text) <= LONGEST
        self.text += more.text if joins else ""
        return joins

    def bites(self) -> Iterator[_Piece]:
        """Yield pieces that are not too long."""
        yield replace(self, text=self.text[:LONGEST])
        for begin in range(LONGEST, len(self.text), LONGEST):
            yield replace(self, text=self.text[begin : begin + LONGEST], restart=False)

    def values(self) -> dict[str, Any]:
        number, self.stream.number = self.stream.number, self.stream.number + 1
        told = {"number": number, "text": "", "reasoning": "", "restart": self.restart}
        told["reasoning" if self.reasoning else "text"] = self.text
        return {**self.stream.place, **told, "created_at": utc_now()}


@dataclass
class TokenWriter:
    """The one writer of a worker process: one transaction for all its models, at most twenty times a second."""

    database: Database
    _pending: list[_Piece] = field(default_factory=list[_Piece])
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _task: asyncio.Task[None] | None = None
    _flushed: float = -BATCH

    def add(self, piece: _Piece) -> None:
        """Take a piece; it is in the database soon."""
        last = next((each for each in reversed(self._pending) if each.stream is piece.stream), None)
        if last is None or not last.take(piece):
            self._pending += piece.bites()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._flush_soon())

    async def close(self, stream: TokenStream) -> None:
        """Write down what is left of a stream before its node ends."""
        if not stream.broken:
            await self._flush()

    async def _flush_soon(self) -> None:
        while self._pending:
            await asyncio.sleep(max(0.0, self._flushed + BATCH - monotonic()))
            self._flushed = monotonic()
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
