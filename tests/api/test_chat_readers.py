"""Chat: whoever reads a turn, from wherever, is told the same."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from agentflow_agents import make
from chatting import asking, by_number, events, kinds, shown, told
from installation import Cairn
from served import Caller, Callers, served
from servers.openai_server import OpenAIServer, gated, text, thought, tool_calls

from cairn.contracts.json import JsonObject
from cairn.domain.usage import BudgetService
from cairn.persistence.repository import Scope
from cairn.settings import Settings

STORY = "one two three four five six"


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


@pytest.fixture
async def agent(author: Caller) -> str:
    return (await make(author, name="Clerk", model="openai:gpt-4o-mini"))["id"]


async def test_a_reader_that_was_cut_off_goes_on_elsewhere(
    cairn: Cairn, author: Caller, server: OpenAIServer, agent: str
) -> None:
    gate = asyncio.Event()
    server.will(gated(STORY, gate, after=4))
    body = {"message": "Tell", "message_id": "m-1"}
    before = await told(author, agent, body, until=lambda found: shown(found) == "one two three ")
    async with served(cairn.settings) as url:
        others = Callers(url, cairn.database, cairn.settings)
        other = await others.new("acme")
        gate.set()
        after = await told(other, agent, body, before[-1]["seq"])
        whole = await told(other, agent, body)
        for cut in range(len(whole)):
            rest = await told(other, agent, body, whole[cut]["seq"])
            assert [e["seq"] for e in rest] == [e["seq"] for e in whole[cut + 1 :]]
            assert shown(whole[: cut + 1] + rest) == STORY
        await others.close()
    assert "start" not in kinds(after) and "restart" not in kinds(after)
    assert shown(before + after) == STORY and len(server.requests) == 1
    assert not {event["seq"] for event in before} & {event["seq"] for event in after}


async def test_a_number_stands_for_the_same_text_whoever_reads(
    author: Caller, server: OpenAIServer, agent: str
) -> None:
    gate = asyncio.Event()
    server.will(gated(STORY, gate, after=4))
    body, live = {"message": "Tell", "message_id": "m-1"}, list[JsonObject]()
    async for event in events(author, agent, body):
        live.append(event)
        if shown(live) == "one two three ":
            gate.set()
    late = await told(author, agent, body)
    assert by_number(late).items() < by_number(live).items(), "who is late is told the pieces as one"
    assert [event for event in late if event["type"] != "delta"] == [e for e in live if e["type"] != "delta"]


async def test_a_turn_that_is_paused_while_its_model_writes_is_told_to_all_in_one_order(
    author: Caller, server: OpenAIServer, agent: str
) -> None:
    gate = asyncio.Event()
    server.will(gated(STORY, gate, after=4))
    body, live = {"message": "Tell", "message_id": "m-1"}, list[JsonObject]()
    async for event in events(author, agent, body):
        live.append(event)
        execution = live[0]["call_id"]
        if shown(live) == "one two three " and not gate.is_set():
            assert (await author.http.post(f"/api/v1/executions/{execution}/pause", json={})).status_code == 200
            gate.set()
        if event["type"] == "status" and event["content"]["status"] == "paused":
            assert (await author.http.post(f"/api/v1/executions/{execution}/resume", json={})).status_code == 200
    late = await told(author, agent, body)
    assert by_number(late).items() <= by_number(live).items()
    assert kinds(late) == kinds(live) == ["start", "start", "delta", "status", "usage", "end"]
    for cut in range(len(live)):
        seen = live[: cut + 1] + await told(author, agent, body, live[cut]["seq"])
        assert (kinds(seen), shown(seen)) == (kinds(live), STORY)


async def test_a_turn_over_the_budget_is_paused_at_once(cairn: Cairn, author: Caller, server: OpenAIServer) -> None:
    async def limit(amount: Decimal | None) -> None:
        async with cairn.database.transaction() as session:
            await BudgetService(session, Scope(author.tenant, True), cairn.settings).put(amount)

    agent = (await make(author, name="Counter", model="openai:gpt-4o-mini", tools=["calculate"]))["id"]
    await limit(Decimal("0.000000001"))  # enough for one request
    server.will(tool_calls(("calculate", {"expression": "6*7"})), text("42."))
    body, live = {"message": "Hi", "message_id": "m-1"}, list[JsonObject]()
    async for event in events(author, agent, body):
        live.append(event)
        if event["type"] == "status" and event["content"]["status"] == "paused":
            await limit(None)
            path = f"/api/v1/executions/{live[0]['call_id']}/resume"
            assert (await author.http.post(path, json={})).status_code == 200
    paused = ["start", "start", "tool_start", "tool_end", "start", "status"]
    assert kinds(live) == [*paused, "status", "restart", "delta", "usage", "end"]
    assert kinds(await told(author, agent, body)) == kinds(live)


async def test_a_pause_is_told_though_the_budget_then_stops_the_model(
    cairn: Cairn, author: Caller, server: OpenAIServer
) -> None:
    """It is told when the model has written what it was writing, which it then never ends."""
    agent = (await make(author, model="openai:gpt-4o-mini", tools=["calculate"]))["id"]
    gate, scope = asyncio.Event(), Scope("acme", True)

    async def limit(amount: Decimal | None) -> None:
        async with cairn.database.transaction() as session:
            await BudgetService(session, scope, cairn.settings).put(amount)

    await limit(Decimal("0.000000001"))  # enough for one request: what is to be corrected takes two
    server.will(thought("Let me see", tool_calls(("calculate", {"wrong": 1})), gate=gate, after=2), text("42."))
    body, live = {"message": "Hi", "message_id": "m-1"}, list[JsonObject]()
    async with asyncio.timeout(30):
        async for event in events(author, agent, body):
            live.append(event)
            execution = f"/api/v1/executions/{live[0]['call_id']}"
            if kinds(live) == ["start", "start"]:
                assert (await author.http.post(f"{execution}/pause", json={})).status_code == 200
                gate.set()
            if event["type"] == "status" and event["content"]["status"] == "paused":
                await limit(None)
                assert (await author.http.post(f"{execution}/resume", json={})).status_code == 200
    assert kinds(live) == ["start", "start", "status", "status", "restart", "delta", "usage", "end"]
    assert kinds(await told(author, agent, body)) == kinds(live) and len(server.requests) == 2
