"""Readers of turns that are rolled back while they are read: they learn what of all that they were told is void."""

from __future__ import annotations

import asyncio
import json

import pytest
from agentflow_agents import AGENT, make
from chatting import asking, kinds, post, reply, shown, standing, told
from installation import Cairn, until
from served import Caller
from servers.openai_server import OpenAIServer, gated, said_and_asked
from sqlalchemy import delete

from cairn.contracts.json import JsonObject
from cairn.persistence.tables import StreamChunkRow
from cairn.settings import Settings

EXECUTIONS = "/api/v1/executions"


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


async def test_whoever_reads_knows_what_a_rollback_has_voided(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, tools=["calculate"]))["id"]
    gate, sums = asyncio.Event(), [("calculate", {"expression": each}) for each in ("6*7", "6*8")]
    halves = [said_and_asked(f"Half {number}.", each) for number, each in enumerate(sums)]
    server.will(*halves, gated("one two three", gate, after=3))
    body: JsonObject = {"message": "Count", "message_id": "m-1"}
    live: list[JsonObject] = []
    reading = asyncio.create_task(told(author, agent, body, until=lambda found: live.extend(found[-1:])))
    whole = asyncio.create_task(reply(author, agent, **body))
    front_end = asyncio.create_task(author.http.post(f"{AGENT}{agent}/chat?protocol=ag-ui", json=body))
    await until(lambda: shown(live).endswith("two "))
    execution = live[0]["call_id"]
    checkpoints = (await author.get(execution))["checkpoints"]
    first = next(each for each in checkpoints if each["name"].endswith("calculate"))
    await post(author, f"{EXECUTIONS}/{execution}/rollback", {"checkpoint_id": first["id"], "force": True})
    await author.reach(execution, "paused")
    await post(author, f"/api/v1/cancel/{execution}")
    await reading
    gate.set()
    cut_off = [live[: n + 1] + await told(author, agent, body, live[n]["seq"]) for n in range(2, len(live), 5)]
    for seen in (live, await told(author, agent, body), *cut_off):
        kept = standing(seen)
        assert shown(seen) == "Half 0."
        assert [each["content"]["result"] for each in kept if each["type"] == "tool_end"] == [42]
        assert kept[-1]["content"] == {"content": "Half 0.", "finish_reason": "cancelled"}
    said = await whole
    assert ([each["result"] for each in said["tool_calls"]], said["content"]) == ([42], "Half 0.")
    lines = (await front_end).text.splitlines()
    run = [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]
    shown_last = [each for each in run if each["type"] == "MESSAGES_SNAPSHOT"][-1]["messages"]
    said_last = [("user", "Count"), ("assistant", "Half 0."), ("tool", "42")]
    assert [(each["role"], each["content"]) for each in shown_last] == said_last
    assert run[-1]["result"] == "Half 0."


async def test_what_was_said_beside_a_call_is_told_when_nobody_keeps_the_stream_any_more(
    cairn: Cairn, author: Caller, server: OpenAIServer
) -> None:
    agent = (await make(author, tools=["calculate"]))["id"]
    gate = asyncio.Event()
    server.will(said_and_asked("Let me see.", ("calculate", {"expression": "6*7"})), gated("It is 42.", gate, after=3))
    body: JsonObject = {"message": "How much?", "message_id": "m-1"}
    before = await told(author, agent, body, until=lambda found: shown(found).endswith("It is "))
    cut = kinds(before).index("delta")
    gate.set()
    await reply(author, agent, **body)
    async with cairn.database.transaction() as session:
        await session.execute(delete(StreamChunkRow))
    late = await told(author, agent, body)
    assert kinds(late) == ["start", "start", "delta", "tool_start", "tool_end", "start", "delta", "usage", "end"]
    rest = await told(author, agent, body, before[cut]["seq"])
    begun = shown(before[: cut + 1])  # words that come at once are one piece
    assert kinds(rest)[:3] == ["restart", "delta", "tool_start"] or begun == "Let me see."
    assert shown(late) == shown(before[: cut + 1] + rest) == "Let me see.It is 42."
