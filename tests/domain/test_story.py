"""What is told of an execution to all who follow it in a process, by a line that says when what comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from cairn.domain.executions import stream, token_readers
from cairn.domain.executions.events import ExecutionEvent
from cairn.domain.executions.lines import Entry, Line
from cairn.domain.executions.story import EVENTS, SIZE, Story
from cairn.domain.executions.token_readers import Piece
from cairn.domain.executions.token_wakeups import Wakeups
from cairn.errors import Unavailable
from cairn.persistence.session import Database

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def event(seq: int, type: str, value: object = None, **data: object) -> ExecutionEvent:
    return ExecutionEvent(seq, type, NOW, "e", "l", "n", cast("Any", data), {} if value is None else {"value": value})


class Told:
    """A line whose pages come when the test lets them."""

    temporal: Any = None
    temporal_id = execution_id = "e"
    run_id = "r"

    def __init__(self) -> None:
        self.pages: asyncio.Queue[list[Entry] | None] = asyncio.Queue()
        self.told: list[Entry] = []

    def say(self, *events: ExecutionEvent) -> None:
        page = [Entry(each, "r", each.type == "node_started") for each in events]
        self.told += page
        self.pages.put_nowait(page)

    async def tell(self) -> AsyncGenerator[list[Entry]]:
        while (page := await self.pages.get()) is not None:
            yield page


class News:
    """Wakes when the test says so."""

    def __init__(self) -> None:
        self.flag = asyncio.Event()

    async def wait(self) -> None:
        await self.flag.wait()
        self.flag.clear()

    @asynccontextmanager
    async def of(self, _: str) -> AsyncGenerator[News]:
        yield self


class Table:
    """What models have written; it takes as long to be read as the test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pieces: list[Piece] = []
        self.open, self.asked, self.away = asyncio.Event(), asyncio.Event(), False
        self.open.set()
        monkeypatch.setattr(token_readers, "stored", self.stored)

    def write(self, text: str) -> None:
        self.pieces.append(Piece(NOW, 1, len(self.pieces), "c", text, False, NOW))

    async def stored(self, _database: object, _visit: object, after: Any, call: str | None = None) -> list[Piece]:
        self.asked.set()
        await self.open.wait()
        if self.away:
            raise Unavailable("The database is away")
        return [each for each in self.pieces if each.position > after]


def story(line: Told, news: News) -> Story:
    return Story(cast("Line", line), cast("Database", object()), cast("Wakeups", news))


async def followed(told: Story, tokens: bool = True) -> list[str]:
    writing = stream.Writing(cast("Database", object()) if tokens else None, told)
    return [each.data.get("text") or each.type async for each in stream._told(told, writing, -1)]


async def test_whoever_comes_while_the_end_of_a_text_is_read_is_told_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    line, news, table = Told(), News(), Table(monkeypatch)
    told = story(line, news)
    reading = asyncio.create_task(told.read())
    line.say(event(1, "node_started", visit=1, call="c"))
    table.write("one ")
    await table.asked.wait()
    while not any(text.size for text in told.texts.values()):
        news.flag.set()
        await asyncio.sleep(0)
    table.write("two")
    table.open.clear()
    table.asked.clear()
    line.say(event(2, "checkpoint"), event(3, "node_completed", visit=1, call="c"))
    await table.asked.wait()  # the rest of the text is being read
    follower = asyncio.create_task(followed(told))
    for _ in range(20):
        await asyncio.sleep(0)
    table.open.set()
    line.say(event(4, "status", status="completed"))
    line.pages.put_nowait(None)
    found = await follower
    texts = [each for each in found if each in ("one ", "two", "one two")]
    assert "".join(texts) == "one two" and found[-2:] == ["node_completed", "status"]
    await reading


async def test_large_results_are_read_once_by_those_who_keep_up(monkeypatch: pytest.MonkeyPatch) -> None:
    line, news = Told(), News()
    Table(monkeypatch)
    told = story(line, news)
    reading, follower = asyncio.create_task(told.read()), asyncio.create_task(followed(told))
    for number in range(3):
        changed = told.changed
        line.say(event(number, "node_completed", "x" * SIZE, visit=number))
        await changed.wait()
        assert told.after(number - 1)  # else it would be read from Temporal anew
    line.pages.put_nowait(None)
    assert await follower == ["node_completed"] * 3
    await reading


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    line, news = Told(), News()
    Table(monkeypatch)
    told = story(line, news)
    reading = asyncio.create_task(told.read())
    for number in range(2 * EVENTS // 100):
        line.say(*(event(100 * number + each, "checkpoint") for each in range(100)))
    line.pages.put_nowait(None)
    await reading
    assert len(told.after(-1)) == EVENTS and told.floor == EVENTS - 1


async def test_without_the_database_those_who_want_no_text_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    line, news, table = Told(), News(), Table(monkeypatch)
    table.away = True
    told = story(line, news)
    reading = asyncio.create_task(told.read())
    with_text, without = asyncio.create_task(followed(told)), asyncio.create_task(followed(told, tokens=False))
    line.say(event(1, "node_started", visit=1, call="c"))
    line.say(event(2, "node_completed", visit=1, call="c"), event(3, "status", status="completed"))
    line.pages.put_nowait(None)
    assert await without == ["node_started", "node_completed", "status"]
    with pytest.raises(Unavailable):
        await with_text
    await reading
