"""Where a transaction begins: at the first statement that writes or locks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

# What PostgreSQL's own functions do, as locks and notices, may last until the transaction ends.
_READS = re.compile(r"\s*(SELECT(?!\s+pg_)|PRAGMA|EXPLAIN|VALUES|SHOW|BEGIN|COMMIT|ROLLBACK|RELEASE)\b", re.IGNORECASE)


ALONE = {"alone": True}
"""Execution options of a statement that writes and is a transaction of its own, unless it is in one already."""


def before_first_write(engine: AsyncEngine, begin: Callable[[Any], None]) -> None:
    """Have a transaction begun before each statement that needs one.

    Args:
        engine: whose connections begin none by themselves.
        begin: begins one on a DBAPI connection, unless it is in one.
    """
    sync = engine.sync_engine

    @event.listens_for(sync, "savepoint")
    def savepoint(connection: Connection, _name: str) -> None:  # pyright: ignore[reportUnusedFunction]
        begin(connection.connection.dbapi_connection)

    @event.listens_for(sync, "before_cursor_execute")
    def executing(  # pyright: ignore[reportUnusedFunction]
        connection: Connection, _cursor: object, statement: str, _parameters: object, context: Any, _many: bool
    ) -> None:
        # SQLite has no FOR UPDATE, so the text does not show it; what it asks for is the lock.
        asked = getattr(getattr(context, "compiled", None), "statement", None)
        locks = getattr(asked, "_for_update_arg", None) is not None
        if (locks or not _READS.match(statement)) and "alone" not in context.execution_options:
            begin(connection.connection.dbapi_connection)
