"""Engines and sessions.

Both databases behave alike: a read sees what is committed at that moment and blocks nobody; the first write, or the
first read ``with_for_update``, takes the lock and holds it until the transaction ends. On PostgreSQL that is the level
READ COMMITTED with row locks. SQLite has one lock for all writers, and a transaction that began as a reader cannot
always become a writer: so ours begins at the first write, as a writer, and waits for its turn instead of failing.

On PostgreSQL ours begins at the first write, too: at READ COMMITTED each read sees the present in or out of a
transaction, so that one that only reads needs neither BEGIN nor ROLLBACK, each of which is a way to the server and
back. Nor is a connection asked for a sign of life before each use: that of a server that went away tells by itself.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from pathlib import Path
from typing import Any

from psycopg.errors import UndefinedColumn, UndefinedTable
from sqlalchemy import event, text
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from cairn.contracts.json import Json
from cairn.errors import CairnError, InvalidInput, Unavailable
from cairn.observability import get_logger
from cairn.persistence.first_write import before_first_write
from cairn.persistence.postgresql import begin_at_first_write, drop_dead_connections
from cairn.persistence.sqlite import SqliteConnection, answered, damage

BUSY_TIMEOUT = 5.0
"""Seconds that a writer waits for the lock, and a connection for the server."""

PATIENCE = 10.0
"""Seconds that the end of a database waits for those who still have a session."""

_log = get_logger("cairn.database")


def _json(value: Json) -> str:
    """Write JSON proper: Python's NaN would be kept by one database and refused by the other."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        raise InvalidInput("A value cannot be stored: not a number, or nested too deep.") from None


_OPTIONS: dict[str, Any] = {
    "json_serializer": _json,
    # None beyond: what comes on top is closed when it is given back, and to open one costs more than most requests.
    "pool_size": 30,
    "max_overflow": 0,
    "pool_timeout": BUSY_TIMEOUT,
    # The one used last: it has its statements prepared and its caches warm, which each of thirty in turn has not.
    "pool_use_lifo": True,
}


def create_engine(url: str | URL) -> AsyncEngine:
    """Return an engine for ``sqlite+aiosqlite:///file`` or ``postgresql+psycopg://…``.

    Raises:
        ValueError: another database, or SQLite in memory (which no second connection could see).
    """
    url = make_url(url)
    if url.drivername == "sqlite+aiosqlite":
        if not url.database or url.database == ":memory:":
            raise ValueError("the database URL must name a file: sqlite+aiosqlite:///path")
        options = {"timeout": BUSY_TIMEOUT, "isolation_level": None, "async_creator_fn": SqliteConnection}
        engine = create_async_engine(url, **_OPTIONS, connect_args=options)
        _lock_at_first_write(engine)
    elif url.drivername == "postgresql+psycopg":
        options = {"connect_timeout": int(BUSY_TIMEOUT), "autocommit": True}
        engine = create_async_engine(url, **_OPTIONS, connect_args=options)
        begin_at_first_write(engine)
        drop_dead_connections(engine)
    else:
        raise ValueError(f"no such database: {url.drivername}; use sqlite+aiosqlite or postgresql+psycopg")
    event.listen(engine.sync_engine, "handle_error", _translate)
    return engine


def _lock_at_first_write(engine: AsyncEngine) -> None:
    """Begin SQLite's transactions ourselves: not before the first write, and then as a writer."""

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    def take_lock(connection: Any) -> None:
        if connection.driver_connection.in_transaction:
            return
        cursor = connection.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:  # at a savepoint ``_translate`` does not see it
            raise Unavailable("The database is busy.", retry_after=1) from error
        cursor.close()

    before_first_write(engine, take_lock)


def _translate(context: ExceptionContext) -> None:
    """Turn what the caller or the surroundings caused into an error of the domain; nothing of the SQL gets out."""
    error = context.sqlalchemy_exception
    if isinstance(context.original_exception, CairnError):
        # Not itself: what is raised here gets the original as its cause, and whoever follows causes would never end.
        raise copy(context.original_exception)
    if _lacks_tables(context.original_exception):
        message = "The database has not the present schema: run `cairn db upgrade`."
        raise Unavailable(message, code="database_not_migrated", retry_after=5) from context.original_exception
    if _lacks_file(context):
        message = "There is no database yet: `cairn serve` or `cairn db upgrade` makes it."
        raise Unavailable(message, code="database_missing", retry_after=5) from context.original_exception
    if damaged := damage(context.original_exception):
        raise damaged from context.original_exception
    if isinstance(error, (OperationalError, InterfaceError)):
        raise Unavailable("The database does not answer.", retry_after=1) from context.original_exception
    if isinstance(error, DataError) or isinstance(context.original_exception, OverflowError):
        message = "A value cannot be stored: a number too large, or text with a NUL character."
        raise InvalidInput(message) from context.original_exception


def _lacks_tables(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):  # it has one code for all that is wrong with a statement
        return str(error).startswith(("no such table", "no such column"))
    return isinstance(error, (UndefinedTable, UndefinedColumn))


def _lacks_file(context: ExceptionContext) -> bool:
    error = context.original_exception
    if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_CANTOPEN:
        return False
    return context.engine is not None and not Path(context.engine.url.database or "").exists()


@contextmanager
def _all_connections_taken() -> Generator[None]:
    try:
        yield
    except PoolTimeoutError as error:
        raise Unavailable("The database is busy.", retry_after=1) from error


class Database:
    """Sessions on one engine. Objects stay readable after their transaction ended."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take an engine of :func:`create_engine`."""
        self.engine = engine
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._gone = False

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[AsyncSession]:
        """Give a session for reading; what is not committed by hand is rolled back at exit."""
        async with self._counted():
            with _all_connections_taken():
                async with self._sessions() as session:
                    yield session

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[AsyncConnection]:
        """Give a connection for reading columns, not objects: a session costs three times as much."""
        async with self._counted():
            with _all_connections_taken():
                async with self.engine.connect() as connection:
                    yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession]:
        """Give a session that commits at exit and rolls back on an error."""
        async with self._counted():
            with _all_connections_taken():
                async with self._sessions.begin() as session:
                    yield session

    async def ping(self) -> None:
        """Ask the database for a sign of life, and whether it was ever migrated.

        Raises:
            Unavailable: there is none, or it has no file or no tables.
        """
        async with self.connection() as connection:
            await connection.execute(text("SELECT version_num FROM alembic_version"))

    async def dispose(self) -> None:
        """Close all connections, to the end also when the caller is cancelled.

        Whoever has a session still is waited for: what comes back to a pool that is gone, nobody would close. Who takes
        too long, or comes afterwards, closes the connections himself.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                await self._idle.wait()
        except TimeoutError:
            _log.warning("database is closed later: it is in use", sessions=self._open)
        finally:
            self._gone = True
            if self._idle.is_set():
                await self._close()

    async def _close(self) -> None:
        await answered(asyncio.create_task(self.engine.dispose()))

    @asynccontextmanager
    async def _counted(self) -> AsyncGenerator[None]:
        self._open += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                self._idle.set()
                if self._gone:
                    await self._close()
