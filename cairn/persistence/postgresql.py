"""Connections to PostgreSQL that cost few ways to the server: see :mod:`cairn.persistence.session`."""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import event, exc, func
from sqlalchemy.ext.asyncio import AsyncEngine

from cairn.persistence.first_write import before_first_write

TRUSTED_FOR = 60.0
"""Seconds that a connection may lie unused and still count as alive as long as its server says nothing."""

UNHURRIED = func.set_config("synchronous_commit", "off", True) == "off"
"""A condition, always true, of a statement that is a transaction of its own and may be lost in an accident.

What it wrote is seen at once by everybody; nobody waits until it is on the disk, where it is a moment later.
"""

_USED_AT = "used_at"


def begin_at_first_write(engine: AsyncEngine) -> None:
    """Begin the transactions of autocommitting connections ourselves: not before the first write."""

    def begin(connection: Any) -> None:
        if connection.info.transaction_status == TransactionStatus.IDLE:
            cursor = connection.cursor()
            cursor.execute("BEGIN")
            cursor.close()

    before_first_write(engine, begin)


def drop_dead_connections(engine: AsyncEngine) -> None:
    """Use no connection that the server has closed.

    Its end can be read from the connection: where nothing can be, the server was there a moment ago. Something else
    may be, too, and one that went away without a word says nothing: then the server is asked.
    """
    sync = engine.sync_engine

    @event.listens_for(sync, "checkin")
    def returned(_connection: object, record: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        record.info[_USED_AT] = time.monotonic()

    @event.listens_for(sync, "checkout")
    def taken(connection: Any, record: Any, _fairy: object) -> None:  # pyright: ignore[reportUnusedFunction]
        used_at = record.info.get(_USED_AT)
        if used_at is None or (time.monotonic() - used_at < TRUSTED_FOR and _is_silent(connection)):
            return
        try:
            sync.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise exc.InvalidatePoolError from error


def _is_silent(connection: Any) -> bool:
    """Whether the server has said nothing since the connection was used last."""
    poll = select.poll()
    poll.register(connection.driver_connection.fileno(), select.POLLIN)
    return not poll.poll(0)
