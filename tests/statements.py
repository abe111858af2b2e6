"""What a database is asked: each statement is a way to the server and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.engine import Engine

_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE) (\w+)")


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements of this process, each as its verb and the first table that it names."""
    made: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        table = _TABLE.search(statement)
        made.append(f"{statement.split()[0]} {table[1] if table else ''}".rstrip())

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield made
    finally:
        event.remove(Engine, "before_cursor_execute", note)
