"""Turns of conversations beside what else happens meanwhile to their conversation or their execution."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from agentflow_agents import AGENT, make
from chatting import CONVERSATIONS, asked, asking, post, read, reply, said_so_far, shown, told
from installation import until
from served import Caller
from servers.openai_server import OpenAIServer, error, gated, said_and_asked, text, tool_calls

from cairn.contracts.json import JsonObject
from cairn.domain.conversations.turns import TurnMessages
from cairn.settings import Settings

EXECUTIONS = "/api/v1/executions"


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


@pytest.fixture
async def agent(author: Caller) -> str:
    return (await make(author, name="Clerk", instructions="Be brief."))["id"]


async def cancel(author: Caller, execution: str) -> None:
    done = await author.http.post(f"/api/v1/cancel/{execution}")
    assert done.status_code == 200, done.text
    await author.reach(execution, "cancelled")


async def test_an_answer_that_comes_after_the_cancellation_is_none(
    author: Caller, server: OpenAIServer, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker hears of a cancellation by its next heartbeat: until then its model may have answered."""
    gate, keep, over = asyncio.Event(), TurnMessages.keep, asyncio.Event()

    async def kept(*args: Any, **named: Any) -> None:
        await keep(*args, **named)
        over.set()

    monkeypatch.setattr(TurnMessages, "keep", kept)
    for module in ("activities.llm", "activities.llm_turn"):
        monkeypatch.setattr(f"{module}.PROMPT", timedelta(minutes=1))
    server.will(gated("one two three", gate, after=3), text("Well."))
    body = {"message": "Count", "message_id": "m-1"}
    found = await told(author, agent, body, until=lambda f: f[-1]["type"] == "delta")
    await cancel(author, found[0]["call_id"])
    conversation = found[0]["content"]["conversation_id"]
    gate.set()
    await asyncio.wait_for(over.wait(), 10)
    there = (await read(author, f"/{conversation}/messages"))["messages"]
    assert [each["role"] for each in there if each["finished"]] == ["user"]
    await reply(author, agent, "And now?", conversation_id=conversation)
    assert "three" not in str(asked(server))


async def test_what_is_no_answer_to_a_message_any_more_counts_not(
    author: Caller, server: OpenAIServer, agent: str
) -> None:
    """A fork of a turn's execution goes another way beside it; so does a turn that was answered anew since."""
    server.will(error(400, "context_length_exceeded"), text("Two."), text("Once more."), text("Fork."))
    body = {"message": "First?", "message_id": "m-1", "stream": False}
    failed = await author.http.post(f"{AGENT}{agent}/chat", json=body)
    assert failed.status_code == 502
    (conversation,) = (await author.http.get(CONVERSATIONS)).json()["conversations"]
    (run,) = (await read(author, f"/{conversation['id']}/runs"))["runs"]
    path = f"{CONVERSATIONS}/{conversation['id']}"
    anew = await post(author, f"{path}/replay", {"message_id": "m-1", "stream": False})
    old = run["execution_id"]
    replayed = await author.http.post(f"{EXECUTIONS}/{old}/replay", json={"checkpoint_name": "start"})
    assert replayed.status_code == 200, replayed.text
    await author.reach(old, "completed")
    source = anew["execution_id"]
    forked = await author.http.post(f"{EXECUTIONS}/{source}/fork", json={"checkpoint_name": "start"})
    assert forked.status_code == 201, forked.text
    await author.reach(forked.json()["id"], "completed")
    assert await said_so_far(author, conversation["id"]) == [("user", "First?"), ("assistant", "Two.")]
    everything = await said_so_far(author, conversation["id"], discarded=True)
    assert [content for _, content in everything] == ["First?", "Two.", "Once more.", "Fork."]
    await reply(author, agent, "Next?", conversation_id=conversation["id"])
    assert asked(server)[1:] == [("user", "First?"), ("assistant", "Two."), ("user", "Next?")]


async def test_a_fork_keeps_an_answer_whatever_becomes_of_the_turn(
    author: Caller, server: OpenAIServer, agent: str
) -> None:
    server.will(text("One."), error(400, "context_length_exceeded"))
    first = await reply(author, agent, "First?", message_id="m-1")
    path = f"{CONVERSATIONS}/{first['conversation_id']}"
    answer = (await read(author, f"/{first['conversation_id']}/messages"))["messages"][-1]["id"]
    fork = await post(author, f"{path}/fork", {"message_id": answer}, 201)
    replayed = await author.http.post(f"{EXECUTIONS}/{first['execution_id']}/replay", json={"checkpoint_name": "start"})
    assert replayed.status_code == 200, replayed.text
    await author.reach(first["execution_id"], "failed")
    for conversation, finished in ((first["conversation_id"], False), (fork["id"], True)):
        there = (await read(author, f"/{conversation}/messages"))["messages"]
        assert [each["finished"] for each in there] == [True, finished]


async def test_a_message_is_answered_anew_as_it_was_said(author: Caller, server: OpenAIServer, agent: str) -> None:
    gate = asyncio.Event()
    server.will(gated("one two three", gate, after=3), text("Anew."))
    body: JsonObject = {"message": "Count", "message_id": "m-1", "metadata": {"order": 17}}
    found = await told(author, agent, body, until=lambda f: f[-1]["type"] == "delta")
    conversation = found[0]["content"]["conversation_id"]
    path = f"{CONVERSATIONS}/{conversation}"
    await post(author, f"{path}/messages", {"content": "The stones."}, 201)
    gate.set()
    await reply(author, agent, **body)
    answer = (await read(author, f"/{conversation}/messages"))["messages"][-1]
    assert answer["role"] == "assistant"
    again = await post(author, f"{path}/replay", {"message_id": answer["id"], "stream": False})
    assert (again["message_id"], asked(server)[-1]) == ("m-1", ("user", "Count"))
    assert (await author.get(again["execution_id"]))["metadata"]["order"] == 17
    assert (await author.http.put(path, json={"status": "archived"})).status_code == 200
    refused = await author.http.post(f"{path}/replay", json={"message_id": "m-1"})
    assert (refused.status_code, refused.json()["code"]) == (409, "conversation_archived")


async def test_a_summary_tells_nothing_of_what_was_cut_short(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, tools=["calculate"], approvals={"calculate": {"enabled": True}}))["id"]
    gate, half = asyncio.Event(), said_and_asked("A secret half", ("calculate", {"expression": "6*7"}))
    server.will(half, gated("one two three", gate, after=3), text("Second."), text("The summary."))
    first = await reply(author, agent, "First?", message_id="m-1")
    assert first["finish_reason"] == "approval_required"
    await post(author, f"/api/v1/approvals/{first['waits_for'][0]['approval_id']}/respond", {"decision": "approved"})
    await told(author, agent, {"message": "First?", "message_id": "m-1"}, until=lambda f: shown(f).endswith("two "))
    await cancel(author, first["execution_id"])
    gate.set()
    conversation = first["conversation_id"]
    assert ("assistant", "A secret half") in await said_so_far(author, conversation)
    await reply(author, agent, "Second?", conversation_id=conversation)
    await post(author, f"{AGENT}{agent}/conversations/{conversation}/compress", {"keep_last": 1})
    assert "First?" in str(asked(server)) and "secret" not in str(asked(server))


async def test_a_fork_keeps_a_summary_whose_last_message_was_cut_short(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, tools=["calculate"], approvals={"calculate": {"enabled": True}}))["id"]
    half, summary = said_and_asked("A half", ("calculate", {"expression": "6*7"})), "The summary."
    gate = asyncio.Event()
    server.will(half, gated("one two three", gate, after=3), text(summary), text("Second."), text("Third."))
    first = await reply(author, agent, "First?", message_id="m-1")
    await post(author, f"/api/v1/approvals/{first['waits_for'][0]['approval_id']}/respond", {"decision": "approved"})
    await told(author, agent, {"message": "First?", "message_id": "m-1"}, until=lambda f: shown(f).endswith("two "))
    await cancel(author, first["execution_id"])
    gate.set()
    conversation = first["conversation_id"]
    assert (await read(author, f"/{conversation}/messages"))["messages"][-1]["finished"] is False
    await post(author, f"{AGENT}{agent}/conversations/{conversation}/compress", {"keep_last": 0})
    await reply(author, agent, "Second?", message_id="m-2", conversation_id=conversation)
    fork = await post(author, f"{CONVERSATIONS}/{conversation}/fork", {"message_id": "m-2"}, 201)
    await reply(author, agent, "Third?", conversation_id=fork["id"])
    assert [(role, content.rpartition("\n")[2]) for role, content in asked(server)] == [
        ("system", summary), ("user", "Second?"), ("user", "Third?"),
    ]  # fmt: skip


async def test_pages_of_a_timeline_over_a_rollback(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(*(text(f"{number}.") for number in range(6)))
    conversation = (await reply(author, agent, "0?", message_id="m-0"))["conversation_id"]
    path = f"{CONVERSATIONS}/{conversation}"
    assert (await author.http.put(path, json={"title": "Sums"})).status_code == 200
    for number in (1, 2):
        await reply(author, agent, f"{number}?", message_id=f"m-{number}", conversation_id=conversation)
    page = await read(author, f"/{conversation}/timeline", limit=4)
    await post(author, f"{path}/rollback", {"message_id": "m-1"})
    await reply(author, agent, "3?", conversation_id=conversation)
    rest = await read(author, f"/{conversation}/timeline", cursor=page["next_cursor"])
    assert not {each["id"] for each in page["items"]} & {each["id"] for each in rest["items"]}
    assert [each["content"] for each in rest["items"] if each["type"] != "system_event"] == ["3?", "3."]


async def test_who_follows_is_told_of_every_change(author: Caller, agent: str) -> None:
    conversation = (await post(author, CONVERSATIONS, {"agent_id": agent}, 201))["id"]
    path, seen = f"{CONVERSATIONS}/{conversation}", list[str]()

    async def follow() -> None:
        async with author.http.stream("GET", f"{path}/stream") as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    seen.append(json.loads(line.removeprefix("data:"))["conversation"]["status"])

    following = asyncio.create_task(follow())
    await until(lambda: seen == ["active"])
    await author.http.put(path, json={"status": "completed"})
    await until(lambda: seen[-1] == "completed", 8)
    assert (await author.http.delete(path)).status_code == 204
    await asyncio.wait_for(following, 8)


async def test_a_reader_goes_on_over_resets_of_the_turn(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, tools=["calculate"]))["id"]
    gates = asyncio.Event(), asyncio.Event()
    server.will(
        tool_calls(("calculate", {"expression": "6*7"})), gated("one two three", gates[0], after=3),
        tool_calls(("calculate", {"expression": "6*8"})), gated("four five six", gates[1], after=3),
    )  # fmt: skip
    body: JsonObject = {"message": "Count", "message_id": "m-1"}
    live: list[JsonObject] = []
    whole = asyncio.create_task(reply(author, agent, **body))
    reading = asyncio.create_task(told(author, agent, body, until=lambda found: live.extend(found[-1:])))
    await until(lambda: shown(live).endswith("two "))
    execution, cut = live[0]["call_id"], len(live)
    replayed = await author.http.post(
        f"{EXECUTIONS}/{execution}/replay", json={"checkpoint_name": "start", "force": True}
    )
    assert replayed.status_code == 200, replayed.text
    await until(lambda: shown(live).endswith("five "))
    before = list(live)
    gates[1].set()
    said = await whole
    assert said["content"] == "four five six"
    found = await reading
    for at in (1, 3, cut - 1, cut, len(before) - 1, len(found) - 2):
        rest = await told(author, agent, body, found[at]["seq"])
        assert [e["seq"] for e in rest] == sorted({e["seq"] for e in rest})
        assert shown(found[: at + 1] + rest).endswith("four five six")
        assert rest[-1]["type"] == "end"
    gates[0].set()
    assert [each["arguments"] for each in said["tool_calls"]] == [{"expression": "6*8"}]
