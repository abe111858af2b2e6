"""What models write, in the stream of an execution's events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from graphs import node, sequence
from installation import Cairn
from pydantic import SecretStr
from served import Caller, Callers, served
from servers.openai_server import KEY, OpenAIServer, answer, cut, gated, said_and_asked, text

from cairn.contracts.json import JsonObject
from cairn.providers.llm import LanguageModels
from cairn.settings import Settings

MODEL = "openai:gpt-4o"
STORY = "Once upon a time there was a rope."


@pytest.fixture(scope="module")
async def server() -> AsyncGenerator[OpenAIServer]:
    async with OpenAIServer.running() as made:
        yield made


@pytest.fixture(autouse=True)
async def closed_models(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A worker's connections to models end with its process; here it is the process of all tests."""
    opened: list[LanguageModels] = []

    class Noted(LanguageModels):
        def __init__(self, settings: Settings) -> None:
            super().__init__(settings)
            opened.append(self)

    monkeypatch.setattr("activities.registry.LanguageModels", Noted)
    yield
    for each in opened:
        await each.aclose()


@pytest.fixture
def settings(tmp_path: Path, database_url: str, temporal_port: int, task_queue: str, server: OpenAIServer) -> Settings:
    return Settings(
        home=tmp_path,
        database_url=database_url,
        temporal_port=temporal_port,
        task_queue=task_queue,
        openai_base_url=server.url,
        openai_api_key=SecretStr(KEY),
    )


@pytest.fixture
async def someone(cairn: Cairn) -> AsyncIterator[Caller]:
    async with served(cairn.settings) as url:
        callers = Callers(url, cairn.database, cairn.settings)
        yield await callers.new()
        await callers.close()


def agent(node_id: str, **data) -> JsonObject:
    retry = {"initial_interval": 0.05, "max_attempts": 3}
    return node(node_id, "agent", prompt="Tell a story", model=MODEL, retry=retry, **data)


@asynccontextmanager
async def events(caller: Caller, execution: JsonObject, after: int | None = None, **query) -> AsyncIterator:
    """Follow an execution; give an iterator of (id or None, data)."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    path = f"/api/v1/executions/{execution['id']}/events"
    async with caller.http.stream("GET", path, headers=headers, params=query) as reply:
        assert reply.status_code == 200, await reply.aread()

        async def parsed():
            lines: dict[str, str] = {}
            async for line in reply.aiter_lines():
                name, _, value = line.partition(": ")
                if name:
                    lines[name] = value
                elif lines.get("data"):
                    yield (int(lines["id"]) if "id" in lines else None), json.loads(lines["data"])
                    lines = {}

        yield parsed()


class Screen:
    """What a client shows that keeps to the rules: the text of each visit of each node."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, int], str] = {}
        self.last: int | None = None
        self.restarts = 0

    def show(self, number: int | None, event: JsonObject) -> str:
        if event["type"] != "token":
            assert number == event["seq"]
            self.last = number
            return ""
        assert number is None and event["seq"] == (self.last or 0), "a stream is not taken up after a token"
        data = event["data"]
        key = (event["node_id"], data["visit"])
        self.restarts += data.get("restart", False)
        self.texts[key] = ("" if data.get("restart") else self.texts[key]) + data["text"]
        return self.texts[key]


async def test_a_text_is_told_while_the_model_writes_it(someone: Caller, server: OpenAIServer) -> None:
    gate, screen, order = asyncio.Event(), Screen(), []
    server.will(gated(STORY, gate, after=4))
    execution = await someone.start(sequence(agent("a")))
    async with events(someone, execution) as stream:
        async for number, event in stream:
            if event["type"] != "token" or event["type"] not in order:
                order.append(event["type"])
            if screen.show(number, event) == "Once upon a ":
                assert not gate.is_set()
                gate.set()
    assert screen.texts == {("a", 1): STORY}
    assert order == ["status", "node_started", "token", "node_completed", "checkpoint", "status"]
    async with events(someone, execution, screen.last) as stream:
        assert [event async for _, event in stream] == []


async def test_a_client_that_comes_back_is_told_the_text_again(someone: Caller, server: OpenAIServer) -> None:
    gate, screen = asyncio.Event(), Screen()
    server.will(gated(STORY, gate, after=4))
    execution = await someone.start(sequence(agent("a")))
    async with events(someone, execution) as stream:
        async for number, event in stream:
            if screen.show(number, event):
                break
    async with events(someone, execution, screen.last) as stream:
        async for number, event in stream:
            if screen.show(number, event) == "Once upon a ":
                gate.set()
    assert screen.texts == {("a", 1): STORY}
    assert screen.restarts == 2


async def test_a_reply_that_is_cut_is_void(someone: Caller, server: OpenAIServer) -> None:
    screen, attempts, seen = Screen(), [], []
    server.will(cut(after=3), text(STORY))
    execution = await someone.start(sequence(agent("a")))
    async with events(someone, execution) as stream:
        async for number, event in stream:
            seen.append(screen.show(number, event))
            if event["type"] == "token":
                attempts.append(event["data"]["attempt"])
    assert screen.texts == {("a", 1): STORY}
    assert sorted(set(attempts)) == [1, 2]
    assert any(each.startswith("an answer") for each in seen)


async def test_an_answer_that_is_corrected_is_void_and_an_object_is_told_as_json(
    someone: Caller, server: OpenAIServer
) -> None:
    screen = Screen()
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    server.will(answer({"age": "old"}), answer({"age": 36}))
    execution = await someone.start(sequence(agent("a", output_schema=schema)))
    async with events(someone, execution) as stream:
        async for number, event in stream:
            screen.show(number, event)
    assert json.loads(screen.texts["a", 1]) == {"age": 36}
    assert screen.restarts == 2


async def test_agents_side_by_side_and_in_a_row_are_told_apart(someone: Caller, server: OpenAIServer) -> None:
    screen = Screen()
    server.will(text("first"), text("second"))
    execution = await someone.start(sequence(agent("a"), agent("b")))
    async with events(someone, execution) as stream:
        async for number, event in stream:
            screen.show(number, event)
    assert screen.texts == {("a", 1): "first", ("b", 1): "second"}


async def test_the_turns_of_an_agent_with_tools_are_told_each_for_itself(someone: Caller, server: OpenAIServer) -> None:
    calls: dict[str, list[str]] = {}
    asking = said_and_asked("I shall ask. ", ("echo", {"value": "rope"}), ("echo", {"value": "axe"}))
    server.will(asking, text("A rope and an axe."))
    execution = await someone.start(sequence(agent("a", tools=["echo"])))
    screen = Screen()
    async with events(someone, execution) as stream:
        async for number, event in stream:
            screen.show(number, event)
            if event["type"] == "token":
                data = event["data"]
                kept = [] if data.get("restart") else calls[data["call"]]
                calls[data["call"]] = [*kept, data["text"]]
    assert ["".join(texts) for texts in calls.values()] == ["I shall ask. ", "A rope and an axe."]
    assert screen.texts == {("a", 1): "A rope and an axe."}, "the text of a node is what its last turn says"
    told = server.requests[-1]["messages"]
    assert [m["content"] for m in told if m["role"] == "tool"] == ["rope", "axe"]


async def test_each_turn_and_each_tool_call_of_an_agent_says_which_it_is(someone: Caller, server: OpenAIServer) -> None:
    server.will(said_and_asked("I shall ask. ", ("echo", {"value": "rope"})), text("A rope."))
    execution = await someone.start(sequence(agent("a", tools=["echo"])))
    async with events(someone, execution, tokens="false") as stream:
        told = [(e["type"], e["data"].get("call"), e["data"].get("tool")) async for _, e in stream if "node_id" in e]
    assert told == [
        ("node_started", "turn1", None),
        ("node_completed", "turn1", None),
        ("node_started", "turn1.0", "echo"),
        ("node_completed", "turn1.0", "echo"),
        ("checkpoint", None, None),
        ("node_started", "turn2", None),
        ("node_completed", "turn2", None),
        ("node_started", None, None),
        ("node_completed", None, None),
        ("checkpoint", None, None),
    ]


async def test_a_client_may_do_without_tokens(someone: Caller, server: OpenAIServer) -> None:
    server.will(text(STORY))
    execution = await someone.start(sequence(agent("a")))
    async with events(someone, execution, tokens="false") as stream:
        kinds = [event["type"] async for _, event in stream]
    assert "token" not in kinds and kinds[-1] == "status"
    reply = await someone.http.get(f"/api/v1/executions/{execution['id']}/events", params={"tokens": "maybe"})
    assert reply.status_code == 422


async def test_the_offline_model_is_told_word_by_word(someone: Caller) -> None:
    screen, tokens = Screen(), 0
    execution = await someone.start(sequence(node("a", "agent", prompt="Why is the sky blue?")))
    async with events(someone, execution) as stream:
        async for number, event in stream:
            screen.show(number, event)
            tokens += event["type"] == "token"
    assert screen.texts["a", 1].startswith("Offline answer")
    assert tokens >= 1
