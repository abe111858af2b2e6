"""When to look for new tokens: PostgreSQL says it; SQLite has to be asked, as API and worker are two processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import psycopg
from sqlalchemy.engine import URL

from cairn.observability import get_logger
from cairn.persistence.session import Database

CHANNEL = "cairn_tokens"
POLL = 0.05
"""Seconds between two looks into SQLite."""

_MISSED = 1.0
"""Seconds after which one looks all the same: a notification is lost when its connection is."""

_RECONNECT = 0.5
_log = get_logger("cairn.tokens")


class Wakeup(Protocol):
    """Waits for news of one execution."""

    async def wait(self) -> None:
        """Return when there may be new tokens since the last return."""
        ...


class Wakeups(Protocol):
    """The news of all executions."""

    def of(self, temporal_id: str) -> contextlib.AbstractAsyncContextManager[Wakeup]:
        """Give the news of one execution."""
        ...

    async def aclose(self) -> None:
        """Stop."""
        ...


def wakeups(database: Database) -> Wakeups:
    """Return what suits the database."""
    url = database.engine.url
    return _Listening(url) if url.get_backend_name() == "postgresql" else _Polling()


class _Polling:
    @asynccontextmanager
    async def of(self, temporal_id: str) -> AsyncGenerator[Wakeup]:
        yield self

    async def wait(self) -> None:
        await asyncio.sleep(POLL)

    async def aclose(self) -> None:
        pass


class _Flag:
    def __init__(self) -> None:
        self.event = asyncio.Event()

    async def wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.event.wait(), _MISSED)
        self.event.clear()


class _Listening:
    """One connection that listens, while anybody follows a text."""

    def __init__(self, url: URL) -> None:
        self._conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._flags: dict[str, set[_Flag]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def of(self, temporal_id: str) -> AsyncGenerator[Wakeup]:
        flag = _Flag()
        self._flags[temporal_id].add(flag)
        if self._task is None:
            self._task = asyncio.create_task(self._listen())
        try:
            yield flag
        finally:
            self._flags[temporal_id].discard(flag)
            if not self._flags[temporal_id]:
                del self._flags[temporal_id]
            if not self._flags:
                await self.aclose()

    async def aclose(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except (psycopg.Error, OSError) as error:
                _log.warning("nothing is heard from the database", error=str(error).partition("\n")[0])
            await asyncio.sleep(_RECONNECT)

    async def _hear(self) -> None:
        connection: psycopg.AsyncConnection[Any]
        async with await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True, connect_timeout=5
        ) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            for flags in self._flags.values():  # what was told before the connection stood
                _raise(flags)
            async for heard in connection.notifies():
                _raise(self._flags.get(heard.payload, set()))


def _raise(flags: set[_Flag]) -> None:
    for flag in flags:
        flag.event.set()
