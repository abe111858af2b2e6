"""Brings a database to the present schema."""

from __future__ import annotations

import asyncio
import io
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from cairn.errors import Unavailable
from cairn.persistence.sqlite import damage

MIGRATIONS = Path(__file__).parent / "migrations"
PATIENCE = 60.0
"""Seconds to wait for another process that migrates the same database."""

_LOCK = 0x636169726E  # any number will do, as long as it is always the same: "cairn"


def upgrade(url: str) -> None:
    """Run the migrations that are missing; makes an SQLite file and its folder. Blocks; one process at a time works.

    Raises:
        Unavailable: the database does not answer, is damaged or is of a later version; the message says which.
    """
    with _migrations(url) as config:
        command.upgrade(config, "head")


async def upgrade_async(url: str) -> None:
    """Do :func:`upgrade` without blocking the event loop."""
    await asyncio.to_thread(upgrade, url)


def check(url: str) -> None:
    """Compare a migrated database with the tables.

    Raises:
        alembic.util.CommandError: they differ; a migration is missing.
        Unavailable: as of :func:`upgrade`.
    """
    with _migrations(url) as config:
        command.check(config)


def revision(url: str, message: str) -> None:
    """Write a migration from a database at the present head to the tables. For the hand that checks it afterwards."""
    with _migrations(url) as config:
        command.revision(config, message, autogenerate=True)


@contextmanager
def _migrations(url: str) -> Generator[Config]:
    """Give what the commands of Alembic take, with a connection to a database whose schema this version knows."""
    config = Config(stdout=io.StringIO())  # its chatter would mix with what a command prints
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with _connect(url) as connection:
        config.attributes["connection"] = connection
        _require_known(connection, ScriptDirectory.from_config(config))
        yield config


def _require_known(connection: Connection, scripts: ScriptDirectory) -> None:
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise Unavailable(
            f"The database is of a later version of Cairn: its schema is {found}, and this version knows those up to "
            f"{scripts.get_current_head()}. Run that version, or restore the backup from before its upgrade.",
            code="database_too_new",
        )


@contextmanager
def _connect(url: str) -> Generator[Connection]:
    """Give a connection in a transaction that holds the lock for migrations, and commit at the end."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        assert parsed.database
        _make_folder(Path(parsed.database).absolute().parent)
        engine = create_engine(parsed.set(drivername="sqlite"), poolclass=NullPool, connect_args={"timeout": PATIENCE})
        _sqlite_transactions(engine)
        lock = None
    else:
        engine = create_engine(parsed, poolclass=NullPool)
        lock = text("SELECT pg_advisory_xact_lock(:key)").bindparams(key=_LOCK)
    try:
        try:
            opened = engine.connect()
        except OperationalError as error:
            raise Unavailable(f"The database does not answer: {str(error.orig).splitlines()[0]}") from error
        with opened as connection, connection.begin():
            if lock is not None:
                connection.execute(lock)
            yield connection
    except DatabaseError as error:
        raise damage(error.orig) or error from error
    finally:
        engine.dispose()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(f"The folder of the database cannot be made: {error.strerror}.") from error


def _sqlite_transactions(engine: Engine) -> None:
    """Let SQLite's DDL be part of a transaction that is a writer's from its begin, and turn on the write-ahead log."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                # Kept in the file. SQLite does not wait for the lock that this takes, so we do.
                connection.execute("PRAGMA journal_mode=WAL").close()
                return
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.exec_driver_sql("BEGIN IMMEDIATE")
