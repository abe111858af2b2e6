"""When to look for news: PostgreSQL says it; SQLite has to be asked, as API and worker are two processes.

Either way one connection a process does it for all who wait, however many they are.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context
from typing import Any, Protocol

import psycopg
from sqlalchemy import ColumnElement, Integer, func, literal_column, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.errors import CairnError
from cairn.observability import get_logger
from cairn.persistence.session import Database
from cairn.persistence.tables import ConversationRow, StreamChunkRow

CHANNEL = "cairn_tokens"
POLL = 0.025
"""Seconds between two looks into SQLite, while anybody waits for news."""

_MISSED = 15.0
"""Seconds after which one looks all the same."""

_ALIVE: dict[str, Any] = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
"""A connection whose other end is gone without a word is found out by the operating system, and made again."""

_AGAIN = 0.5
_log = get_logger("cairn.tokens")


class Wakeup:
    """Waits for news of one execution, or of anything else that has an id."""

    def __init__(self, flags: Flags) -> None:
        """Take those among which it stands."""
        self.event = asyncio.Event()
        self._flags = flags

    async def wait(self) -> None:
        """Return when there may be news since the last return."""
        with contextlib.suppress(TimeoutError), self._flags.somebody_waits():
            await asyncio.wait_for(self.event.wait(), _MISSED)
        self.event.clear()


class Flags:
    """Who is to be woken, by id.

    Attributes:
        wanted: set while anybody waits.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.wanted = asyncio.Event()
        self._waiting = 0
        self._all: dict[str, set[Wakeup]] = defaultdict(set)

    @property
    def conversations(self) -> list[str]:
        """The ids of conversations among them."""
        return [id for id in self._all if id.startswith("conv_")]

    @contextmanager
    def of(self, id: str) -> Generator[Wakeup]:
        """Give a new one."""
        made = Wakeup(self)
        self._all[id].add(made)
        try:
            yield made
        finally:
            self._all[id].discard(made)
            if not self._all[id]:
                del self._all[id]

    @contextmanager
    def somebody_waits(self) -> Generator[None]:
        """Have it known."""
        self._waiting += 1
        self.wanted.set()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self.wanted.clear()

    def wake(self, ids: Iterable[str]) -> None:
        """Wake who waits for these."""
        for id in ids:
            for each in self._all.get(id, ()):
                each.event.set()

    def wake_all(self) -> None:
        """Wake everybody."""
        self.wake(list(self._all))


class Ear(Protocol):
    """Hears what is new in a database."""

    async def hear(self, flags: Flags) -> None:
        """Wake whom it concerns, for as long as the connection stands; all of them when it begins to.

        Raises:
            CairnError, psycopg.Error, OSError: the database does not answer.
        """
        ...


class Wakeups:
    """The news of all executions and conversations."""

    def __init__(self, ear: Ear) -> None:
        """Take what hears; it begins to when somebody wants news."""
        self._ear = ear
        self._flags = Flags()
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def of(self, id: str) -> AsyncGenerator[Wakeup]:
        """Give the news of an execution, by its Temporal id, or of a conversation."""
        with self._flags.of(id) as wakeup:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._hear(), context=Context())
            yield wakeup

    async def aclose(self) -> None:
        """Stop."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _hear(self) -> None:
        while True:
            try:
                await self._ear.hear(self._flags)
            except (CairnError, SQLAlchemyError, psycopg.Error, OSError) as error:
                _log.warning("nothing is heard from the database", error=str(error).partition("\n")[0])
            await asyncio.sleep(_AGAIN)


def wakeups(database: Database) -> Wakeups:
    """Return what suits the database."""
    url = database.engine.url
    return Wakeups(_Postgresql(url) if url.get_backend_name() == "postgresql" else _Sqlite(database))


class _Postgresql:
    """Listens."""

    def __init__(self, url: URL) -> None:
        self._conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)

    async def hear(self, flags: Flags) -> None:
        connection: psycopg.AsyncConnection[Any]
        async with await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True, connect_timeout=5, **_ALIVE
        ) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            flags.wake_all()  # what was told before the connection stood
            async for heard in connection.notifies():
                flags.wake([heard.payload])


class _Sqlite:
    """Looks whether anybody has written anything, and only then what."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hear(self, flags: Flags) -> None:
        looking, seen = _Looking(flags), -1
        async with self._database.session() as session:
            while True:
                await flags.wanted.wait()
                version = (await session.execute(_VERSION)).scalar_one()  # of what others wrote than this connection
                if version != seen:
                    await looking.look(session)
                    seen = version
                await asyncio.sleep(POLL)


class _Looking:
    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        self._last: int | None = None
        self._revisions: dict[str, int] = {}

    async def look(self, session: AsyncSession) -> None:
        last = (await session.execute(select(func.max(_ROW)).select_from(StreamChunkRow))).scalar_one() or 0
        if self._last is None or last < self._last:  # the newest rows are gone: their numbers are given again
            self._flags.wake_all()
        elif last > self._last:
            new = select(col(StreamChunkRow.temporal_id)).where(self._last < _ROW).distinct()
            self._flags.wake((await session.execute(new)).scalars())
        self._last = last
        if followed := self._flags.conversations:
            await self._conversations(session, followed)

    async def _conversations(self, session: AsyncSession, followed: list[str]) -> None:
        row = ConversationRow
        found = await session.execute(select(col(row.id), col(row.revision)).where(col(row.id).in_(followed)))
        now = {each.id: each.revision for each in found}
        self._flags.wake(id for id in followed if now.get(id) != self._revisions.get(id))
        self._revisions = now


_VERSION = text("PRAGMA data_version")
_ROW: ColumnElement[int] = literal_column("rowid", Integer)
