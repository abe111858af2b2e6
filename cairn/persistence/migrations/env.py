"""Alembic's entry: migrates the connection that :mod:`cairn.persistence.migrate` hands over."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import String

from cairn.persistence.tables import METADATA
from cairn.persistence.types import UtcDateTime

connection = context.config.attributes["connection"]


def belongs(item: Any, _name: str | None, _type: str, _reflected: bool, _compare_to: Any) -> bool:
    """Leave out what a table declares for the other database only."""
    return item.info.get("dialect", connection.dialect.name) == connection.dialect.name


def is_compared(name: str | None, _type: str, _parents: Any) -> bool:
    """Leave out what finds the words of a column: tables of SQLite's FTS5, indexes of expressions on PostgreSQL."""
    return not (name or "").startswith("words_")


def render(kind: str, item: Any, _autogen: Any) -> str | Literal[False]:
    """Write plain SQL types: a migration must not change when ours do."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, String):
        return "sa.String()"
    return False


context.configure(
    connection=connection,
    target_metadata=METADATA,
    include_object=belongs,
    include_name=is_compared,
    render_item=render,
    compare_type=True,
    render_as_batch=connection.dialect.name == "sqlite",
)
context.run_migrations()
