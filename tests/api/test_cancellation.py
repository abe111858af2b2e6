"""Cancellation over the API: what runs is listed, and stopped."""

from __future__ import annotations

import asyncio

import pytest
from agentflow_agents import make
from chatting import asking, events, reply, told
from graphs import node, sequence
from installation import soon, until
from served import Caller
from servers.openai_server import OpenAIServer, gated, text

from cairn.contracts.json import JsonObject
from cairn.settings import Settings

CANCEL = "/api/v1/cancel"
WAITING = sequence(node("hold", "wait", seconds=3600))


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


@pytest.fixture
async def agent(author: Caller) -> str:
    return (await make(author))["id"]


async def active(caller: Caller, **params: str) -> list[JsonObject]:
    found = await caller.http.get(f"{CANCEL}/active-calls", params=params)
    assert found.status_code == 200, found.text
    assert found.json()["total"] == len(found.json()["calls"])
    return found.json()["calls"]


async def writing(caller: Caller, server: OpenAIServer, agent: str, gate: asyncio.Event) -> JsonObject:
    """Begin a turn in which a model writes; return its first event."""
    server.will(gated("one two three", gate, after=3), text("Next."))
    found = await told(caller, agent, {"message": "Count"}, until=lambda f: f[-1]["type"] == "delta")
    return found[0]["content"]


async def test_a_turn_is_stopped_while_its_model_writes(author: Caller, server: OpenAIServer, agent: str) -> None:
    gate = asyncio.Event()
    server.will(gated("one two three", gate, after=3), text("Next."))
    found: list[JsonObject] = []
    stopped = False
    async for event in events(author, agent, {"message": "Count", "message_id": "m-1"}):
        found.append(event)
        if event["type"] == "delta" and not stopped:
            (call,) = await active(author)
            done = await author.http.post(f"{CANCEL}/{call['call_id']}")
            assert done.status_code == 200, done.text
            assert done.json()["call_id"] == call["call_id"] and done.json()["status"] in ("cancelling", "cancelled")
            stopped = True
    assert found[-1]["type"] == "end" and found[-1]["content"]["finish_reason"] == "cancelled"
    started = found[0]["content"]
    assert (call["kind"], call["agent_id"], call["message_id"]) == ("turn", agent, "m-1")
    assert (call["conversation_id"], call["execution_id"]) == (started["conversation_id"], started["execution_id"])
    assert call["cancellable"] is True and call["status"] == "running"
    assert await active(author) == []
    again = await author.http.post(f"{CANCEL}/{call['call_id']}")
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")
    said = await reply(author, agent, "Go on", conversation_id=started["conversation_id"])
    assert said["content"] == "Next."
    ended = await author.http.post(f"{CANCEL}/{said['execution_id']}")
    assert (ended.status_code, ended.json()["code"]) == (409, "execution_closed")
    gate.set()


async def test_a_model_that_writes_is_stopped_within_two_seconds(
    author: Caller, server: OpenAIServer, agent: str
) -> None:
    gate = asyncio.Event()
    tries = [{"message": "Count", "message_id": f"m-{number}"} for number in range(3)]
    server.will(*(gated("one two three", gate, after=3) for _ in tries))
    begun = [await told(author, agent, body, until=lambda f: f[-1]["type"] == "delta") for body in tries]

    async def stop() -> list[JsonObject]:
        before, body = begun.pop(), tries.pop()
        done = await author.http.post(f"{CANCEL}/{before[0]['call_id']}")
        assert done.status_code == 200, done.text
        return await told(author, agent, body, before[-1]["seq"])

    rest = await soon(stop, within=2)
    assert rest[-1]["type"] == "end" and rest[-1]["content"]["finish_reason"] == "cancelled"
    gate.set()


async def test_tasks_and_turns_are_told_apart(author: Caller, server: OpenAIServer, agent: str) -> None:
    gate = asyncio.Event()
    turn = await writing(author, server, agent, gate)
    task = (await author.start(WAITING))["id"]
    calls = {call["call_id"]: call for call in await active(author)}
    assert {name: call["kind"] for name, call in calls.items()} == {turn["execution_id"]: "turn", task: "execution"}
    assert calls[task]["agent_id"] is None and calls[task]["conversation_id"] is None
    assert [c["call_id"] for c in await active(author, agent_id=agent)] == [turn["execution_id"]]
    assert [c["call_id"] for c in await active(author, conversation_id=turn["conversation_id"])] == [
        turn["execution_id"]
    ]
    refused = await author.http.post(f"{CANCEL}/background-task/{turn['execution_id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_a_background_task")

    async def cancelled() -> bool:
        done = await author.http.post(f"{CANCEL}/background-task/{task}", headers={"Idempotency-Key": "once"})
        return done.status_code == 200

    await until(cancelled)
    await author.reach(task, "cancelled")
    assert [call["call_id"] for call in await active(author)] == [turn["execution_id"]]
    for path in ("none", "background-task/none"):
        assert (await author.http.post(f"{CANCEL}/{path}")).status_code == 404
    gate.set()


async def test_a_run_of_a_tool_is_a_call_of_its_own(author: Caller) -> None:
    made = await make(author, tools=["calculate"], approvals={"calculate": {"enabled": True}})
    path = f"/api/v1/agent/{made['id']}/tools/calculate/run"
    run = (await author.http.post(path, json={"arguments": {"expression": "1 + 1"}})).json()
    assert run["status"] == "pending_approval"
    (call,) = await active(author, agent_id=made["id"])
    assert (call["call_id"], call["kind"], call["conversation_id"]) == (run["execution_id"], "tool", None)
    stopped = await author.http.post(f"{CANCEL}/background-task/{run['execution_id']}")
    assert stopped.status_code == 200, stopped.text
    await author.reach(run["execution_id"], "cancelled")


async def test_everything_is_stopped_at_once(author: Caller, server: OpenAIServer, agent: str) -> None:
    gate = asyncio.Event()
    turn = await writing(author, server, agent, gate)
    tasks = [(await author.start(WAITING))["id"] for _ in range(3)]
    for task in tasks:
        await author.reach(task, "running")
    some = await author.http.post(f"{CANCEL}/all", params={"conversation_id": turn["conversation_id"]})
    assert some.json() == {"cancelled": 1, "failed": []}
    await author.reach(turn["execution_id"], "cancelled")
    rest = await author.http.post(f"{CANCEL}/all")
    assert rest.json() == {"cancelled": 3, "failed": []}
    for task in tasks:
        await author.reach(task, "cancelled")
    assert await active(author) == [] and (await author.http.post(f"{CANCEL}/all")).json()["cancelled"] == 0
    gate.set()
