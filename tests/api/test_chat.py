"""Chat: turns of agents over the API, streamed and whole, attached to, resumed, refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agentflow_agents import AGENT, make, make_below
from chatting import asking, events, kinds, reply, shown, told
from installation import Cairn, until
from served import Caller, Callers
from servers.openai_server import KEY, OpenAIServer, answer, error, gated, said_and_asked, text, tool_calls
from sqlalchemy import delete, func, select

from cairn.contracts.json import JsonObject
from cairn.domain.chat.telling import Place
from cairn.persistence.tables import ConversationRow, ExecutionRow, MessageRow, StreamChunkRow
from cairn.settings import Settings

STORY = "one two three four five six"


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


@pytest.fixture
async def agent(author: Caller) -> str:
    return (await make(author, name="Clerk", instructions="Be brief."))["id"]


async def test_a_whole_turn(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("A pile of stones."))
    said = await reply(author, agent, "What is a cairn?", message_id="m-1", metadata={"case": "7"})
    assert said.pop("conversation_id").startswith("conv_")
    execution = await author.get(said.pop("execution_id"))
    assert said == {
        "message_id": "m-1",
        "content": "A pile of stones.",
        "tool_calls": [],
        "usage": {"requests": 1, "input_tokens": 100, "output_tokens": 20, "cost": None},
        "finish_reason": "stop",
        "waits_for": [],
    }
    assert execution["output_data"] == {"content": "A pile of stones."}
    assert (execution["metadata"]["case"], execution["metadata"]["message_id"]) == ("7", "m-1")
    (asked,) = server.requests
    assert [(m["role"], m["content"]) for m in asked["messages"]] == [
        ("system", "Be brief."),
        ("user", "What is a cairn?"),
    ]


async def test_a_conversation_goes_on_with_what_was_said(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("Hello Ann."), text("You are Ann."))
    first = await reply(author, agent, "I am Ann.")
    again = await reply(author, agent, "Who am I?", conversation_id=first["conversation_id"])
    assert again["conversation_id"] == first["conversation_id"] and again["content"] == "You are Ann."
    assert [(m["role"], m["content"]) for m in server.requests[-1]["messages"]] == [
        ("system", "Be brief."),
        ("user", "I am Ann."),
        ("assistant", "Hello Ann."),
        ("user", "Who am I?"),
    ]
    server.will(text("I do not know."))
    assert (await reply(author, agent, "Who am I?"))["content"] == "I do not know."
    assert len(server.requests[-1]["messages"]) == 2, "another conversation knows nothing of this one"


async def test_tokens_come_while_the_model_writes(author: Caller, server: OpenAIServer, agent: str) -> None:
    gate = asyncio.Event()
    server.will(gated(STORY, gate, after=3))
    found: list[JsonObject] = []
    async for event in events(author, agent, {"message": "Tell"}):
        found.append(event)
        if shown(found) == "one two ":
            gate.set()
    assert kinds(found)[:3] == ["start", "start", "delta"] and kinds(found)[-2:] == ["usage", "end"]
    assert shown(found) == STORY and found[-1]["content"] == {"content": STORY, "finish_reason": "stop"}
    numbers = [event["seq"] for event in found]
    assert numbers == sorted(set(numbers)) and [event["id"] for event in found] == [str(each) for each in numbers]
    assert numbers[-1] < 2**53, "a number of JavaScript's holds it"
    root, asked = found[0], found[1]
    assert root["content"] == {
        "execution_id": root["call_id"],
        "conversation_id": root["content"]["conversation_id"],
        "agent_id": agent,
    }
    assert (root["parent_call_id"], asked["parent_call_id"]) == (None, root["call_id"])
    assert {event["root_call_id"] for event in found} == {root["call_id"]}
    assert {event["call_id"] for event in found if event["type"] == "delta"} == {asked["call_id"]}


async def test_a_text_that_nobody_keeps_any_more_is_told_anew(
    cairn: Cairn, author: Caller, server: OpenAIServer, agent: str
) -> None:
    gate = asyncio.Event()
    server.will(gated(STORY, gate, after=4))
    body = {"message": "Tell", "message_id": "m-1"}
    before = await told(author, agent, body, until=lambda found: shown(found) == "one two three ")
    gate.set()
    await reply(author, agent, "Tell", message_id="m-1")
    async with cairn.database.transaction() as session:
        await session.execute(delete(StreamChunkRow))
    late = await told(author, agent, body, before[-1]["seq"])
    assert kinds(late) == ["restart", "delta", "usage", "end"] and shown(before + late) == STORY
    assert shown(await told(author, agent, body)) == STORY


async def test_the_same_message_twice_at_once_is_one_turn(
    cairn: Cairn, author: Caller, server: OpenAIServer, agent: str
) -> None:
    server.will(text("Once."))
    body = {"message": "Hello", "message_id": "m-1", "stream": False}
    said = await asyncio.gather(*(author.http.post(f"{AGENT}{agent}/chat", json=body) for _ in range(6)))
    assert {each.status_code for each in said} == {200}, [each.text for each in said]
    assert len({each.text for each in said}) == 1
    assert len(server.requests) == 1
    conversation = said[0].json()["conversation_id"]
    body |= {"message_id": "m-2", "conversation_id": conversation}
    said = await asyncio.gather(*(author.http.post(f"{AGENT}{agent}/chat", json=body) for _ in range(6)))
    assert {each.status_code for each in said} == {200}, [each.text for each in said]
    assert len({each.json()["execution_id"] for each in said}) == 1
    async with cairn.database.session() as session:
        for table, number in ((ExecutionRow, 2), (ConversationRow, 1), (MessageRow, 4)):
            assert (await session.execute(select(func.count()).select_from(table))).scalar_one() == number


async def test_an_idempotency_key_stands_for_a_message_id(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("Once."))
    headers, url = {"Idempotency-Key": "k"}, f"{AGENT}{agent}/chat"
    one, two = [await author.http.post(url, json={"message": "Hi", "stream": False}, headers=headers) for _ in range(2)]
    assert one.json() == two.json() and two.headers["Idempotent-Replayed"] == "true"
    for _ in range(2):
        streamed = await author.http.post(url, json={"message": "Hi"}, headers={"Idempotency-Key": "s"})
        assert '"type":"end"' in streamed.text
    assert len(server.requests) == 2


@pytest.mark.parametrize("change", [{"message": "Other"}, {"conversation_id": "other"}, {"agent": "other"}])
async def test_a_message_id_names_one_message(
    author: Caller, server: OpenAIServer, agent: str, change: JsonObject
) -> None:
    server.will(text("Yes."))
    await reply(author, agent, "Hello", message_id="m-1")
    body: dict[str, Any] = {"message": "Hello", "message_id": "m-1", "stream": False}
    change = dict(change)
    if change.get("conversation_id"):
        change["conversation_id"] = (await reply(author, agent, "Else"))["conversation_id"]
    if change.pop("agent", None):
        agent = (await make(author, name="Another"))["id"]
    refused = await author.http.post(f"{AGENT}{agent}/chat", json={**body, **change})
    assert (refused.status_code, refused.json()["code"]) == (409, "message_exists")


async def test_one_turn_of_a_conversation_at_a_time(author: Caller, server: OpenAIServer, agent: str) -> None:
    gate = asyncio.Event()
    server.will(gated(STORY, gate), text("Next."))
    body = {"message": "Tell", "message_id": "m-1"}
    before = await told(author, agent, body, until=lambda found: found[-1]["type"] == "delta")
    named = {"conversation_id": before[0]["content"]["conversation_id"]}
    refused = await author.http.post(f"{AGENT}{agent}/chat", json={"message": "Now", **named})
    assert (refused.status_code, refused.json()["code"]) == (409, "turn_running")
    assert refused.json()["message_id"] == "m-1"
    gate.set()
    await reply(author, agent, "Tell", message_id="m-1")
    assert (await reply(author, agent, "Now", **named))["content"] == "Next."


async def test_tools_are_told_and_known_in_the_next_turn(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, tools=["calculate"]))["id"]
    server.will(said_and_asked("Let me see.", ("calculate", {"expression": "6*7"})), text("It is 42."), text("Yes."))
    found = await told(author, agent, {"message": "How much?", "message_id": "m-1", "verbose": True})
    assert kinds(found) == [
        "start", "start", "delta", "usage", "tool_start", "tool_end", "start", "delta", "usage", "usage", "end",
    ]  # fmt: skip
    started, ended = (event for event in found if event["type"].startswith("tool"))
    assert (started["content"]["tool"], started["content"]["arguments"]) == ("calculate", {"expression": "6*7"})
    assert ended["content"]["result"] == 42 and ended["call_id"] == started["call_id"]
    assert started["parent_call_id"] == found[1]["call_id"]
    assert found[2]["metadata"]["node_id"] == "agent"
    late = await told(author, agent, {"message": "How much?", "message_id": "m-1", "verbose": True})
    assert kinds(late) == kinds(found) and shown(late) == shown(found) == "Let me see.It is 42."
    whole = await reply(author, agent, "How much?", message_id="m-1")
    (called,) = whole["tool_calls"]
    assert (called["tool"], called["arguments"], called["result"]) == ("calculate", {"expression": "6*7"}, 42)
    await reply(author, agent, "Sure?", conversation_id=whole["conversation_id"])
    assert [m["role"] for m in server.requests[-1]["messages"]] == [
        "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip


async def test_an_approval_with_other_arguments(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, tools=["calculate"], approvals={"calculate": {"enabled": True}}))["id"]
    server.will(tool_calls(("calculate", {"expression": "6*7"})), text("It is 43."))
    body = {"message": "How much?", "message_id": "m-1"}
    found = await told(author, agent, body, until=lambda f: f[-1]["type"] == "approval_required")
    asked = found[-1]["content"]
    assert (asked["tool"], asked["arguments"]) == ("calculate", {"expression": "6*7"}) and asked["expires_at"]
    waiting = await reply(author, agent, "How much?", message_id="m-1")
    assert (waiting["finish_reason"], waiting["content"]) == ("approval_required", None)
    assert waiting["waits_for"][0]["approval_id"] == asked["approval_id"]
    assert waiting["waits_for"][0]["expires_at"] == asked["expires_at"] and asked["expires_at"].endswith("Z")

    async def pending() -> object:
        return (await author.http.get(f"/api/v1/approvals/{asked['approval_id']}")).status_code == 200

    await until(pending)
    approval = (await author.http.get(f"/api/v1/approvals/{asked['approval_id']}")).json()
    assert approval["conversation_id"] == waiting["conversation_id"]
    said = {"decision": "approved", "modified_arguments": {"expression": "6*7+1"}, "reason": "one more"}
    done = await author.http.post(f"/api/v1/approvals/{asked['approval_id']}/respond", json=said)
    assert done.status_code == 200, done.text
    rest = await told(author, agent, body, found[-1]["seq"])
    assert kinds(rest)[:3] == ["approval_resolved", "tool_start", "tool_end"] and kinds(rest)[-1] == "end"
    resolved = rest[0]["content"]
    assert (resolved["status"], resolved["modified_arguments"]) == ("approved", {"expression": "6*7+1"})
    assert rest[1]["content"]["arguments"] == {"expression": "6*7+1"} and rest[2]["content"]["result"] == 43
    assert shown(found + rest) == "It is 43."


async def test_another_model_in_one_turn(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("Yes."))
    await reply(author, agent, "Hello", model="openai:other-model")
    await reply(author, agent, "Hello")
    assert [asked["model"] for asked in server.requests] == ["other-model", "test-model"]


async def test_a_value_by_the_schema(author: Caller, server: OpenAIServer) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    agent = (await make(author, output_schema=schema))["id"]
    server.will(answer({"city": "Oslo"}))
    assert (await reply(author, agent, "Where?"))["content"] == {"city": "Oslo"}
    found = await told(author, agent, {"message": "Where?"})
    assert found[-1]["content"]["content"] == {"city": "Oslo"}


async def test_a_subagent_takes_a_turn_by_itself(author: Caller, server: OpenAIServer, agent: str) -> None:
    below = (await make_below(author, agent, instructions="Count."))["id"]
    server.will(text("Two."))
    path = f"{AGENT}{agent}/subagents/{below}/run"
    said = await author.http.post(path, json={"message": "How many?", "context": {"a": 2}, "stream": False})
    assert said.status_code == 200, said.text
    assert said.json()["content"] == "Two."
    system, user = server.requests[-1]["messages"]
    assert system["content"] == "Count." and user["content"] == '<context>\n{"a":2}\n</context>\n\nHow many?'
    found = await told(author, agent, {"message": "How many?"}, path=f"subagents/{below}/run")
    assert found[0]["content"]["agent_id"] == below and found[-1]["type"] == "end"
    assert (await author.http.post(f"{AGENT}{agent}/subagents/{agent}/run", json={"message": "x"})).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid_input"),
        ({"message": ""}, 422, "invalid_input"),
        ({"message": []}, 422, "invalid_input"),
        ({"message": [{"type": "image", "url": "x"}]}, 422, "invalid_input"),
        ({"message": "x" * 1_000_000}, 422, "invalid_input"),
        ({"message": [{"type": "text", "text": "x" * 200_000}] * 2}, 422, "invalid_input"),
        ({"message": "x", "message_id": "a b"}, 422, "invalid_input"),
        ({"message": "x", "stream": "no"}, 422, "invalid_input"),
        ({"message": "x", "metadata": {"a": "x" * 20_000}}, 422, "invalid_input"),
        ({"message": "x", "model": "nowhere:model"}, 422, "unknown_model"),
        ({"message": "x", "conversation_id": "nothing"}, 404, "conversation_not_found"),
    ],
)
async def test_what_cannot_be_said(author: Caller, agent: str, body: JsonObject, status: int, code: str) -> None:
    refused = await author.http.post(f"{AGENT}{agent}/chat", json=body)
    assert refused.status_code == status, refused.text
    assert refused.json()["code"] == code and refused.json()["request_id"]


async def test_a_key_that_the_provider_refuses(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(error(401, "invalid_api_key"))
    failed = await author.http.post(f"{AGENT}{agent}/chat", json={"message": "Hi", "stream": False})
    assert (failed.status_code, failed.json()["code"]) == (502, "model_unauthorized")
    found = await told(author, agent, {"message": "Hi"})
    assert found[-1]["type"] == "error"
    assert (found[-1]["content"]["code"], found[-1]["content"]["retryable"]) == ("model_unauthorized", False)
    server.will(text("Well."))
    conversation = found[0]["content"]["conversation_id"]
    assert (await reply(author, agent, "Now?", conversation_id=conversation))["content"] == "Well."


async def test_a_key_of_the_tenants_own_is_used(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("With mine."))
    kept = {"provider": "openai", "api_key": "sk-wrong-key-4711", "base_url": server.url, "models": ["test-model"]}
    assert (await author.http.post("/api/v1/llm/config", json=kept)).status_code == 201
    refused = await author.http.post(f"{AGENT}{agent}/chat", json={"message": "Hi", "model": "openai:gpt-4o"})
    assert (refused.status_code, refused.json()["code"]) == (403, "model_not_allowed")
    await author.http.put("/api/v1/llm/config/mode", json={"mode": "byok"})
    failed = await author.http.post(f"{AGENT}{agent}/chat", json={"message": "Hi", "stream": False})
    assert (failed.status_code, failed.json()["code"]) == (502, "model_unauthorized") and "4711" not in failed.text
    await author.http.post("/api/v1/llm/config", json={**kept, "api_key": KEY})
    assert (await reply(author, agent, "Hi"))["content"] == "With mine."


async def test_a_turn_goes_on_without_readers_and_is_cancelled_as_executions_are(
    author: Caller, server: OpenAIServer, agent: str
) -> None:
    gate = asyncio.Event()
    server.will(gated(STORY, gate, after=3))
    body = {"message": "Tell", "message_id": "m-1"}
    before = await told(author, agent, body, until=lambda found: shown(found) == "one two ")
    execution = before[0]["call_id"]
    assert (await author.get(execution))["status"] == "running"
    assert (await author.http.post(f"/api/v1/executions/{execution}/cancel")).status_code < 300
    rest = await told(author, agent, body, before[-1]["seq"])
    assert rest[-1]["type"] == "end" and rest[-1]["content"]["finish_reason"] == "cancelled"
    server.will(text("Go."))
    conversation = before[0]["content"]["conversation_id"]
    assert (await reply(author, agent, "And now?", conversation_id=conversation))["content"] == "Go."
    roles = [m["role"] for m in server.requests[-1]["messages"]]
    assert roles == ["system", "user", "user"], "what was cut short is not told"
    gate.set()


async def test_others_see_nothing(cairn: Cairn, author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("Mine."))
    mine = await reply(author, agent, "Hello", message_id="m-1")
    callers = Callers(str(author.http.base_url), cairn.database, cairn.settings)
    other = await callers.new("other")
    assert (await other.http.post(f"{AGENT}{agent}/chat", json={"message": "Hi"})).status_code == 404
    theirs = (await make(other))["id"]
    named = {"message": "Hi", "conversation_id": mine["conversation_id"]}
    assert (await other.http.post(f"{AGENT}{theirs}/chat", json=named)).status_code == 404
    assert (await reply(other, theirs, "Hello", message_id="m-1"))["conversation_id"] != mine["conversation_id"]
    poor = await callers.new("acme", scopes=["agents:read"])
    assert (await poor.http.post(f"{AGENT}{agent}/chat", json={"message": "Hi"})).status_code == 403
    await callers.close()


def test_numbers_and_places() -> None:
    for place in (Place(0, 0, 0, 0), Place((3 << 32) + 1234, 2, 77, 1), Place(8 * 131_071 + 7, 31, 2**18 - 1, 31)):
        assert Place.of(place.number) == place
    grows = [Place(9, 0, 0, 0), Place(9, 1, 0, 1), Place(9, 1, 1, 0), Place(9, 2, 0, 0), Place(10, 0, 0, 0)]
    numbers = [place.number for place in (*grows, Place(1 << 32, 0, 0, 0))]
    assert numbers == sorted(set(numbers))
