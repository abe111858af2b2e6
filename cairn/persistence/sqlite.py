"""Connections to SQLite that end well, also when whoever waits for one is cancelled, and cancelled again.

``aiosqlite`` has a thread for each connection, which answers to the event loop. When a task is cancelled while its
connection is made or closed, nobody waits for the thread any more: the connection stays open, or the thread answers to
a loop that is gone. These connections are waited for to the end; the cancellation goes on after that.
"""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite

from cairn.errors import Unavailable


def damage(error: BaseException | None) -> Unavailable | None:
    """Return what to say of a file that is no database or is not whole any more; None of every other error."""
    if type(error) is not sqlite3.DatabaseError:  # what is derived of it tells of a statement, not of the file
        return None
    return Unavailable(f"The database cannot be read: {error}. Restore a backup.", code="database_damaged")


async def answered(future: asyncio.Future[Any]) -> Any:
    """Return a future's result, and have it come even when the caller is cancelled: that goes on afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])  # which, unlike an ``await`` of the future, does not cancel it
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        future.exception()  # it was looked at
        raise cancelled
    return future.result()


class SqliteConnection(aiosqlite.Connection):
    """A connection, which is made when it is awaited."""

    def __init__(self, database: str, **options: Any) -> None:
        """Take what ``sqlite3.connect`` takes. A file that is not there is not made: migrations alone make one."""
        there = f"{Path(database).absolute().as_uri()}?mode=rw"
        super().__init__(partial(sqlite3.connect, there, uri=True, **options), iter_chunk_size=64)
        self._thread.daemon = True  # as SQLAlchemy has it: a process that ends waits for no thread
        self._ending: asyncio.Future[Any] | None = None

    async def _connect(self) -> SqliteConnection:
        made = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((made, self._connector))
        try:
            await answered(made)
        except BaseException:
            self._connection = None if made.exception() else made.result()
            await self._end()
            raise
        self._connection = made.result()
        return self

    def stop(self) -> asyncio.Future[Any] | None:
        """Have the thread close the connection after what it was asked before, and end; asked again, it is the same."""
        if self._ending is None:
            self._ending = super().stop()
        return self._ending

    async def close(self) -> None:
        """Close the connection after what was asked of it before."""
        if self._connection is not None:
            await self._end()

    async def _end(self) -> None:
        ending = self.stop()
        if ending is not None:
            await answered(ending)
