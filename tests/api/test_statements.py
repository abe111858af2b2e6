"""What the busiest requests ask the database: each statement is a way to the server and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from graphs import sequence
from installation import Cairn
from served import Callers, served
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


async def test_a_start_asks_four_things_of_the_database(idle_cairn: Cairn) -> None:
    async with served(idle_cairn.settings) as url:
        callers = Callers(url, idle_cairn.database, idle_cairn.settings)
        caller = await callers.new()
        body = {"workflow_id": (await caller.publish(sequence()))["uuid"], "input_data": {}}
        await caller.http.post("/api/v1/executions", json=body)  # the definition is known from here on
        with statements() as made:
            reply = await caller.http.post("/api/v1/executions", json=body)
        with statements() as listed:
            page = (await caller.http.get("/api/v1/executions")).json()
        await callers.close()
    assert made == ["SELECT api_keys", "SELECT graphs", "INSERT executions", "UPDATE executions"]
    assert listed == ["SELECT api_keys", "SELECT executions", "SELECT executions"]
    told = reply.json()
    assert (told["status"], told["status_detail"]) == ("running", None)
    assert page["items"][0] == told
