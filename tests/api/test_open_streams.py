"""Many streams of one turn on one API process: read once for all of them, with an end to what is kept for each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from agentflow_agents import make
from chatting import asking, events, shown, told
from served import Caller
from servers.openai_server import OpenAIServer, gated
from sqlalchemy import event
from sqlalchemy.engine import Engine

from cairn.contracts.json import JsonObject
from cairn.domain.executions import story
from cairn.settings import Settings
from cairn.temporal.reading import HistoryReader

STORY = "one two three four five six"
MANY = 20


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    return asking(settings, server)


@pytest.fixture
async def agent(author: Caller) -> str:
    return (await make(author))["id"]


@contextmanager
def texts_read() -> Iterator[list[str]]:
    """Give the statements by which texts are read in this process."""
    found: list[str] = []

    def note(_connection, _cursor, statement: str, *_: object) -> None:
        if "SELECT" in statement and "stream_chunks.text" in statement:
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


class Readers:
    """Streams of one turn."""

    def __init__(self, caller: Caller, agent: str) -> None:
        self.tasks: list[asyncio.Task[list[JsonObject]]] = []
        self._read = lambda begun: read(caller, agent, begun)

    async def add(self, number: int) -> None:
        """Open so many more, and wait until each has shown the first words."""
        begun = [asyncio.Event() for _ in range(number)]
        self.tasks += [asyncio.create_task(self._read(each)) for each in begun]
        async with asyncio.timeout(60):
            await asyncio.gather(*(each.wait() for each in begun))


async def read(caller: Caller, agent: str, begun: asyncio.Event) -> list[JsonObject]:
    found: list[JsonObject] = []
    async for each in events(caller, agent, {"message": "Tell", "message_id": "m-1"}):
        found.append(each)
        if shown(found) == "one two ":
            begun.set()
    return found


async def test_streams_of_a_turn_share_one_reader(
    author: Caller, server: OpenAIServer, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    polled: list[bool] = []
    growing = HistoryReader.growing

    def counted(self: HistoryReader, temporal_id: str, run_id: str, *, wait: bool = True):
        polled.append(wait)
        return growing(self, temporal_id, run_id, wait=wait)

    monkeypatch.setattr(HistoryReader, "growing", counted)
    gate = asyncio.Event()
    server.will(gated(STORY, gate, after=3))
    readers = Readers(author, agent)
    await readers.add(1)
    await readers.add(MANY - 1)
    with texts_read() as statements:
        gate.set()
        found = await asyncio.gather(*readers.tasks)
    assert {shown(each) for each in found} == {STORY}
    assert {each[-1]["type"] for each in found} == {"end"}
    assert polled == [True]
    assert 0 < len(statements) < MANY


async def test_what_is_not_kept_any_more_is_read_again(
    author: Caller, server: OpenAIServer, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "EVENTS", 1)
    monkeypatch.setattr(story, "TEXT", 4)
    gate = asyncio.Event()
    server.will(gated(STORY, gate, after=3))
    readers = Readers(author, agent)
    await readers.add(1)
    await readers.add(2)
    gate.set()
    found = await asyncio.gather(*readers.tasks)
    body: JsonObject = {"message": "Tell", "message_id": "m-1"}
    found.append(await told(author, agent, body))
    for each in found:
        numbers = [e["seq"] for e in each]
        assert shown(each) == STORY and numbers == sorted(set(numbers)) and each[-1]["type"] == "end"
        cut = len(each) // 2
        assert shown(each[:cut] + await told(author, agent, body, numbers[cut - 1])) == STORY
