"""Conversations over the API: made, read in several forms, searched, followed, gone back in, forked, compressed."""

from __future__ import annotations

import asyncio
import json

import pytest
from agentflow_agents import make
from chatting import CONVERSATIONS, asked, asking, begun, post, read, reply, said_so_far, shown, told, with_tools
from installation import Cairn
from served import Caller
from servers.openai_server import OpenAIServer, gated, text, tool_calls

from cairn.contracts.json import JsonObject
from cairn.domain.executions.reconcile import Reconciler
from cairn.persistence.types import utc_now
from cairn.settings import Settings


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


@pytest.fixture
async def agent(author: Caller) -> str:
    return (await make(author, name="Clerk", instructions="Be brief."))["id"]


async def test_a_conversation_is_made_changed_and_deleted(author: Caller, server: OpenAIServer, agent: str) -> None:
    made = await begun(author, agent, title=" Order 17 ", metadata={"order": 17})
    assert (made["title"], made["status"], made["metadata"], made["messages_count"]) == (
        "Order 17",
        "active",
        {"order": 17},
        0,
    )
    path = f"{CONVERSATIONS}/{made['id']}"
    changed = (await author.http.put(path, json={"status": "completed", "title": "Order 18"})).json()
    assert (changed["status"], changed["title"], changed["metadata"]) == ("completed", "Order 18", {"order": 17})
    assert changed["revision"] > made["revision"] and await read(author, f"/{made['id']}") == changed
    archived = await author.http.put(path, json={"status": "archived"})
    assert archived.status_code == 200
    refused = await author.http.post(
        f"/api/v1/agent/{agent}/chat", json={"message": "Hi", "conversation_id": made["id"]}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "conversation_archived")
    assert (await author.http.delete(path)).status_code == 204
    gone = await author.http.get(path)
    assert (gone.status_code, gone.json()["code"]) == (404, "conversation_not_found")
    server.will(text("Hello."))
    spoken = await reply(author, agent, "Hi")
    assert (await author.http.delete(f"{CONVERSATIONS}/{spoken['conversation_id']}")).status_code == 204
    assert (await author.get(spoken["execution_id"]))["status"] == "completed"


@pytest.mark.parametrize(
    "body",
    [{}, {"agent_id": 5}, {"title": ""}, {"title": "a\nb"}, {"title": "x" * 256}, {"metadata": {"a": "x" * 20_000}}],
)
async def test_what_is_no_conversation(author: Caller, agent: str, body: JsonObject) -> None:
    sent = {"agent_id": agent, **body} if body else {}
    refused = await author.http.post(CONVERSATIONS, json=sent)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input"), refused.text
    assert refused.json()["detail"][0]["loc"][0] == "body"


async def test_they_are_listed_by_what_they_are(author: Caller, agent: str) -> None:
    other = (await make(author, name="Other"))["id"]
    ids = [(await begun(author, each))["id"] for each in (agent, other, agent)]
    await author.http.put(f"{CONVERSATIONS}/{ids[0]}", json={"status": "escalated"})
    listed = await read(author, "")
    assert [each["id"] for each in listed["conversations"]] == ids[::-1] and listed["total"] == 3
    assert [c["id"] for c in (await read(author, "", agent_id=agent))["conversations"]] == [ids[2], ids[0]]
    assert [c["id"] for c in (await read(author, "", status="escalated"))["conversations"]] == [ids[0]]
    assert (await read(author, "", user_id="nobody"))["total"] == 0
    page = await read(author, "", page=2, page_size=2, anchor=listed["anchor"])
    assert [each["id"] for each in page["conversations"]] == [ids[0]]
    for wrong in ({"status": "odd"}, {"page_size": 101}, {"page": 0}):
        assert (await author.http.get(CONVERSATIONS, params=wrong)).status_code == 422


async def test_messages_are_listed_and_added(author: Caller, server: OpenAIServer, agent: str) -> None:
    conversation = (await begun(author, agent))["id"]
    path = f"{CONVERSATIONS}/{conversation}/messages"
    added = await post(author, path, {"content": "The order is 17.", "message_id": "m-0"}, 201)
    assert (added["id"], added["role"], added["parts"][0]["type"]) == ("m-0", "user", "user")
    taken = await author.http.post(path, json={"parts": [{"type": "text", "text": "x"}], "message_id": "m-0"})
    assert (taken.status_code, taken.json()["code"]) == (409, "message_exists")
    for wrong in ({}, {"content": ""}, {"content": "x" * 300_000}, {"parts": []}):
        assert (await author.http.post(path, json=wrong)).status_code == 422
    server.will(text("17."))
    turn = await reply(author, agent, "Which order?", conversation_id=conversation)
    assert asked(server)[1:] == [("user", "The order is 17."), ("user", "Which order?")] or asked(server)[1:] == [
        ("user", "The order is 17.\n\nWhich order?")
    ]
    whole = [("user", "The order is 17."), ("user", "Which order?"), ("assistant", "17.")]
    assert await said_so_far(author, conversation) == whole
    assert await said_so_far(author, conversation, page=2, page_size=2) == whole[2:]
    last = (await read(author, f"/{conversation}/messages", checkpoints=True))["messages"][-1]
    assert (last["execution_id"], last["finished"]) == (turn["execution_id"], True)
    checkpoints = (await author.get(turn["execution_id"]))["checkpoints"]
    assert last["checkpoint_id"] == checkpoints[-1]["id"]
    about = await read(author, f"/{conversation}")
    assert about["messages_count"] == 3 and about["last_message_at"] and about["title"] == "The order is 17."


async def test_rolling_back_and_answering_anew(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("One."), text("Two."), text("Other."), text("Three."), text("Four."))
    first = await reply(author, agent, "First?", message_id="m-1")
    conversation = first["conversation_id"]
    await reply(author, agent, "Second?", conversation_id=conversation, message_id="m-2")
    back = await post(author, f"{CONVERSATIONS}/{conversation}/rollback", {"message_id": "m-1"})
    assert (back["discarded_messages"], back["marker"]["kind"], back["marker"]["message_id"]) == (3, "rollback", "m-1")
    assert await said_so_far(author, conversation) == [("user", "First?")]
    assert len(await said_so_far(author, conversation, discarded=True)) == 4, "nothing is lost"
    lost = await author.http.post(f"{CONVERSATIONS}/{conversation}/rollback", json={"message_id": "m-2"})
    assert (lost.status_code, lost.json()["code"]) == (404, "message_not_found")
    attached = await author.http.post(f"/api/v1/agent/{agent}/chat", json={"message": "Second?", "message_id": "m-2"})
    assert (attached.status_code, attached.json()["code"]) == (409, "message_discarded")
    body = {"message_id": "m-1", "model": "openai:other-model", "stream": False}
    again = await post(author, f"{CONVERSATIONS}/{conversation}/replay", body)
    assert (again["content"], again["message_id"]) == ("Other.", "m-1")
    assert again["execution_id"] != first["execution_id"] and server.requests[-1]["model"] == "other-model"
    assert await said_so_far(author, conversation) == [("user", "First?"), ("assistant", "Other.")]
    await reply(author, agent, "Third?", conversation_id=conversation)
    assert asked(server)[1:] == [("user", "First?"), ("assistant", "Other."), ("user", "Third?")]
    markers = await read(author, f"/{conversation}/markers")
    assert [each["kind"] for each in markers["markers"]] == ["rollback", "rollback"]
    runs = await read(author, f"/{conversation}/runs")
    assert runs["total"] == 4 and {each["status"] for each in runs["runs"]} == {"completed"}
    assert runs["runs"][1]["execution_id"] == again["execution_id"] and runs["runs"][1]["checkpoints"]
    assert runs["runs"][0]["usage"]["output_tokens"] == 20 and runs["runs"][0]["ended_at"]
    await reply(author, agent, "Fourth?", conversation_id=conversation)
    rest = await read(author, f"/{conversation}/runs", page=2, page_size=2, anchor=runs["anchor"])
    assert rest["total"] == 4 and [each["execution_id"] for each in rest["runs"]] == [
        each["execution_id"] for each in runs["runs"][2:]
    ]


async def test_an_answer_is_replayed_as_a_stream(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("One."), text("Two."))
    first = await reply(author, agent, "First?", message_id="m-1")
    conversation = first["conversation_id"]
    answer = (await read(author, f"/{conversation}/messages"))["messages"][-1]["id"]
    body, headers = {"message_id": answer}, {"Idempotency-Key": "again"}
    for _ in range(2):
        path = f"{CONVERSATIONS}/{conversation}/replay"
        streamed = await author.http.post(path, json=body, headers=headers)
        found = [
            json.loads(line.removeprefix("data:")) for line in streamed.text.splitlines() if line.startswith("data:")
        ]
        assert shown(found) == "Two.", streamed.text
        body = {"message_id": answer}
    assert len(server.requests) == 2, "the same key is one turn"


async def test_forks_go_different_ways(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("One."), text("Two."), text("Here."), text("There."))
    first = await reply(author, agent, "First?", message_id="m-1")
    conversation = first["conversation_id"]
    answer = (await read(author, f"/{conversation}/messages"))["messages"][-1]["id"]
    await reply(author, agent, "Second?", conversation_id=conversation)
    fork = await post(author, f"{CONVERSATIONS}/{conversation}/fork", {"message_id": answer}, 201)
    assert (fork["forked_from"], fork["messages_count"], fork["agent_id"]) == (conversation, 2, agent)
    await reply(author, agent, "There?", conversation_id=fork["id"])
    assert asked(server)[1:] == [("user", "First?"), ("assistant", "One."), ("user", "There?")]
    await reply(author, agent, "Here?", conversation_id=conversation)
    assert [content for _, content in asked(server)[1:]] == ["First?", "One.", "Second?", "Two.", "Here?"]
    assert await said_so_far(author, fork["id"]) != await said_so_far(author, conversation)


async def test_the_timeline_has_everything_in_order(author: Caller, server: OpenAIServer) -> None:
    agent, conversation = await with_tools(author, server)
    server.will(text("Yes."))
    await reply(author, agent, "Sure?", conversation_id=conversation)
    await author.http.put(f"/api/v1/agent/conversations/{conversation}/title", json={"title": "Sums"})
    whole = await read(author, f"/{conversation}/timeline")
    assert [each["type"] for each in whole["items"]] == [
        "user", "tool_request", "tool_request", "tool_response", "tool_response", "agent_text",
        "user", "agent_text", "system_event",
    ]  # fmt: skip
    assert whole["next_cursor"] is None and whole["items"][-1]["content"]["kind"] == "title"
    request, response = whole["items"][1], whole["items"][3]
    assert request["content"]["arguments"] == {"expression": "6*7"} and response["content"]["result"] == 42
    assert "error" in whole["items"][4]["content"]
    read_, cursor = [], None
    while True:
        params = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        part = await read(author, f"/{conversation}/timeline", **params)
        read_, cursor = read_ + part["items"], part["next_cursor"]
        if cursor is None:
            break
    assert read_ == whole["items"]
    assert (await author.http.get(f"{CONVERSATIONS}/{conversation}/timeline?cursor=x")).status_code == 400


async def test_large_results_are_read_in_parts(author: Caller, server: OpenAIServer) -> None:
    agent = (await make(author, tools=["echo"]))["id"]
    value = {"rows": [{"n": n, "text": "x" * 100} for n in range(300)]}
    server.will(tool_calls(("echo", {"value": value})), text("Done."))
    found = await told(author, agent, {"message": "Go"})
    (ended,) = (event for event in found if event["type"] == "tool_end")
    cache, conversation = ended["content"]["cache_id"], found[0]["content"]["conversation_id"]
    assert "result" not in ended["content"]
    parts = (await read(author, f"/{conversation}/timeline"))["items"]
    assert [each["content"]["cache_id"] for each in parts if each["type"] == "tool_response"] == [cache]
    whole = await read(author, f"/{conversation}/cached-results/{cache}")
    assert (whole["tool"], whole["content_type"]) == ("echo", "application/json") and whole["size"] > 30_000
    rows = whole["payload"]["rows"] if "rows" in whole["payload"] else whole["payload"]["value"]["rows"]
    assert rows == value["rows"]
    path = "$.rows" if "rows" in whole["payload"] else "$.value.rows"
    part = await read(author, f"/{conversation}/cached-results/{cache}/items", path=path, offset=298, limit=5)
    assert (part["items"], part["total"]) == (value["rows"][298:], 300)
    numbers = await read(author, f"/{conversation}/cached-results/{cache}/items", path=f"{path}[*].n", limit=2)
    assert (numbers["items"], numbers["total"]) == ([0, 1], 300)
    assert (await read(author, f"/{conversation}/cached-results/{cache}/items"))["total"] == 1
    wrong = await author.http.get(f"{CONVERSATIONS}/{conversation}/cached-results/{cache}/items?path=$[")
    assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["query", "path"])
    assert (await author.http.get(f"{CONVERSATIONS}/{conversation}/cached-results/none")).status_code == 404


async def test_a_conversation_is_followed_by_snapshots(author: Caller, server: OpenAIServer, agent: str) -> None:
    gate = asyncio.Event()
    server.will(gated("one two three", gate))
    conversation = (await begun(author, agent))["id"]
    seen: list[JsonObject] = []
    ids: list[int] = []
    turn: asyncio.Task[JsonObject] | None = None
    async with asyncio.timeout(30), author.http.stream("GET", f"{CONVERSATIONS}/{conversation}/stream") as stream:
        async for line in stream.aiter_lines():
            if line.startswith("id:"):
                ids.append(int(line.removeprefix("id:")))
            if not line.startswith("data:"):
                continue
            seen.append(json.loads(line.removeprefix("data:")))
            if turn is None:
                turn = asyncio.create_task(reply(author, agent, "Count", conversation_id=conversation))
            elif seen[-1]["status"] == "running":
                gate.set()
            elif seen[-1]["conversation"]["messages_count"] == 2:
                break
    assert turn is not None and (await turn)["content"] == "one two three"
    assert {each["type"] for each in seen} == {"conversation_update"} and ids == sorted(set(ids))
    assert seen[0]["parts"] == [] and [part["content"] for part in seen[-1]["parts"]] == ["Count", "one two three"]
    assert ids == [each["conversation"]["revision"] for each in seen]
    headers = {"Last-Event-ID": str(ids[0])}
    async with author.http.stream("GET", f"{CONVERSATIONS}/{conversation}/stream", headers=headers) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data:"):
                assert json.loads(line.removeprefix("data:"))["conversation"]["revision"] >= ids[-1]
                break
    assert (await author.http.get(f"{CONVERSATIONS}/none/stream")).status_code == 404


@pytest.mark.parametrize("who", ["reader", "reconciler"])
async def test_a_turn_that_an_operator_terminated_is_over_for_those_who_follow_it_too(
    cairn: Cairn, author: Caller, server: OpenAIServer, agent: str, who: str
) -> None:
    gate, seen = asyncio.Event(), list[str]()
    server.will(gated("one two three", gate, after=3))
    (begin, *_) = await told(author, agent, {"message": "Count"}, until=lambda found: found[-1]["type"] == "delta")
    conversation, execution = begin["content"]["conversation_id"], begin["call_id"]
    async with asyncio.timeout(30), author.http.stream("GET", f"{CONVERSATIONS}/{conversation}/stream") as stream:
        async for line in stream.aiter_lines():
            if not line.startswith("data:"):
                continue
            seen.append(json.loads(line.removeprefix("data:"))["status"])
            if seen[-1] == "idle":
                break
            if len(seen) == 1:
                await cairn.client.get_workflow_handle(execution).terminate()
                if who == "reader":
                    assert (await author.get(execution))["status"] == "cancelled"
                else:
                    await Reconciler(cairn.database, cairn.temporal, utc_now()).repair(execution)
    assert seen[0] == "running"
    server.will(text("Go."))
    assert (await reply(author, agent, "And now?", conversation_id=conversation))["content"] == "Go."
    gate.set()


async def test_another_agent_goes_on(author: Caller, server: OpenAIServer, agent: str) -> None:
    server.will(text("One."), text("Two."))
    conversation = (await reply(author, agent, "First?"))["conversation_id"]
    other = (await make(author, name="Other", instructions="Be long."))["id"]
    await reply(author, other, "Second?", conversation_id=conversation)
    assert asked(server) == [("system", "Be long."), ("user", "First?"), ("assistant", "One."), ("user", "Second?")]
    assert (await read(author, f"/{conversation}"))["agent_id"] == other
    (marker,) = (await read(author, f"/{conversation}/markers"))["markers"]
    assert (marker["kind"], marker["data"]) == ("handover", {"from": agent, "to": other})


async def test_what_a_running_turn_keeps_from_being_done(
    cairn: Cairn, author: Caller, server: OpenAIServer, agent: str
) -> None:
    gate = asyncio.Event()
    server.will(gated("one two three", gate, after=3))
    body = {"message": "Count", "message_id": "m-1"}
    found = await told(author, agent, body, until=lambda f: f[-1]["type"] == "delta")
    conversation = found[0]["content"]["conversation_id"]
    for path in (f"{CONVERSATIONS}/{conversation}/rollback", f"{CONVERSATIONS}/{conversation}/replay"):
        refused = await author.http.post(path, json={"message_id": "m-1"})
        assert (refused.status_code, refused.json()["code"]) == (409, "turn_running")
    refused = await author.http.delete(f"{CONVERSATIONS}/{conversation}")
    assert (refused.status_code, refused.json()["code"]) == (409, "turn_running")
    fork = await post(author, f"{CONVERSATIONS}/{conversation}/fork", {"message_id": "m-1"}, 201)
    gate.set()
    await reply(author, agent, "Count", message_id="m-1")
    assert await said_so_far(author, fork["id"]) == [("user", "Count")]
