"""Direct calls of models over the API: whole and streamed, with the installation's key and the tenant's own."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from installation import Cairn, until
from pydantic import SecretStr
from served import Caller, Callers, served
from servers.openai_server import KEY, OpenAIServer, answer, cut, error, gated, said_and_asked, text, tool_calls

from cairn.settings import Settings

CHAT, CONFIG = "/api/v1/llm/chat", "/api/v1/llm/config"
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
PLATFORM = "sk-key-of-the-installation"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    own = {"default_model": "openai:test-model", "openai_base_url": server.url, "openai_api_key": SecretStr(KEY)}
    return settings.model_copy(update={**own, "llm_timeout": 20})


async def calls_of(cairn: Cairn) -> dict[str, str]:
    """Return the workflows of direct calls with their states."""
    found = [each async for each in cairn.client.list_workflows("WorkflowType = 'DirectCall'")]
    return {each.id: each.status.name for each in found if each.task_queue == cairn.settings.task_queue and each.status}


async def note_call(cairn: Cairn) -> None:
    """Let the calls of the test be what it has started."""

    async def closed() -> list[str]:
        return [name for name, state in (await calls_of(cairn)).items() if state != "RUNNING"]

    cairn.started[:] = await until(closed)


async def events_of(author: Caller, body: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    async with author.http.stream("POST", CHAT, json={**body, "stream": True}, headers=headers) as reply:
        assert reply.status_code == 200 and reply.headers["content-type"].startswith("text/event-stream")
        async for line in reply.aiter_lines():
            if line.startswith("data:"):
                told.append(json.loads(line.removeprefix("data:")))
    return told


def refused(reply: Any, status: int, code: str) -> dict[str, Any]:
    body = reply.json()
    assert (reply.status_code, body["code"]) == (status, code), reply.text
    assert set(body) >= {"detail", "code", "request_id"} and "the reason" not in reply.text and KEY not in reply.text
    return body


async def byok(author: Caller, server: OpenAIServer, **body: Any) -> None:
    saved = {"provider": "openai", "api_key": KEY, "base_url": server.url, **body}
    assert (await author.http.post(CONFIG, json=saved)).status_code == 201
    assert (await author.http.put(f"{CONFIG}/mode", json={"mode": "byok"})).status_code == 200


@pytest.mark.history("direct_calls/answered")
async def test_a_model_goes_on_with_a_conversation(author: Caller, cairn: Cairn, server: OpenAIServer) -> None:
    server.will(text("A pile of stones."))
    body = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi!"},
            {"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": "a cairn?"}]},
        ],
        "temperature": 0.3,
        "max_tokens": 77,
    }
    reply = await author.http.post(CHAT, json=body)
    assert reply.status_code == 200, reply.text
    said = reply.json()
    assert said.pop("id").startswith("call_")
    assert said == {
        "model": "openai:test-model",
        "content": "A pile of stones.",
        "parsed": None,
        "tool_calls": None,
        "usage": {"input_tokens": 100, "output_tokens": 20, "cost": None},
        "finish_reason": "stop",
    }
    (asked,) = server.requests
    assert [(each["role"], each["content"]) for each in asked["messages"]] == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Hi!"),
        ("user", "What is\na cairn?"),
    ]
    assert asked["temperature"] == 0.3 and asked["max_completion_tokens"] == 77
    await note_call(cairn)


async def test_a_known_model_has_its_cost(author: Caller, server: OpenAIServer) -> None:
    server.will(text("Hi"))
    for model in ("openai:gpt-4o", "gpt-4o"):
        said = (await author.http.post(CHAT, json={**HELLO, "model": model})).json()
        assert (said["model"], said["usage"]["cost"]) == ("openai:gpt-4o", pytest.approx(0.00045))


async def test_tokens_come_while_the_model_writes(author: Caller, server: OpenAIServer) -> None:
    gate = asyncio.Event()
    server.will(gated("one two three four", gate, after=3))
    told: list[dict[str, Any]] = []
    async with author.http.stream("POST", CHAT, json={**HELLO, "stream": True}) as reply:
        lines = reply.aiter_lines()
        async for line in lines:
            if line.startswith("data:"):
                told.append(json.loads(line.removeprefix("data:")))
                if "".join(each["content"] for each in told if each["type"] == "delta") == "one two ":
                    break
        gate.set()
        told += [json.loads(line.removeprefix("data:")) async for line in lines if line.startswith("data:")]
    assert [each["seq"] for each in told] == list(range(1, len(told) + 1))
    assert (told[0]["type"], told[0]["content"]) == ("start", {"model": "openai:test-model"})
    assert {each["type"] for each in told[1:-1]} == {"delta"} and told[-1]["type"] == "end"
    assert "".join(each["content"] for each in told[1:-1]) == "one two three four"
    end = told[-1]
    assert end["content"]["content"] == "one two three four" and end["content"]["finish_reason"] == "stop"
    assert end["content"]["usage"] == {"input_tokens": 10, "output_tokens": 10, "cost": None}
    assert {each["call_id"] for each in told} == {each["root_call_id"] for each in told} == {end["content"]["id"]}
    assert all(each["timestamp"] and each["metadata"] == {} and each["parent_call_id"] is None for each in told)


async def test_an_idempotent_request_asks_no_model_twice(author: Caller, server: OpenAIServer) -> None:
    server.will(text("said once"))
    headers = {"Idempotency-Key": "whole"}
    first, again = [await author.http.post(CHAT, json=HELLO, headers=headers) for _ in range(2)]
    assert first.json() == again.json() and again.headers["Idempotent-Replayed"] == "true"
    key = {"Idempotency-Key": "streamed"}
    told, retold = [await events_of(author, HELLO, **key) for _ in range(2)]
    assert told[-1]["content"] == retold[-1]["content"] and told[-1]["call_id"] == retold[-1]["call_id"]
    assert len(server.requests) == 2
    other = {**HELLO, "stream": True, "temperature": 1}
    refused(await author.http.post(CHAT, json=other, headers=key), 422, "idempotency_key_reused")


async def test_the_caller_runs_the_tools(author: Caller, server: OpenAIServer) -> None:
    server.will(said_and_asked("Let me see.", ("weather", {"city": "Oslo"})), text("It rains in Oslo."))
    body = {**HELLO, "tools": [WEATHER]}
    first = (await author.http.post(CHAT, json=body)).json()
    assert (first["finish_reason"], first["content"]) == ("tool_calls", "Let me see.")
    (call,) = first["tool_calls"]
    assert (call["type"], call["function"]) == ("function", {"name": "weather", "arguments": '{"city": "Oslo"}'})
    assert server.requests[0]["tools"][0]["function"]["parameters"]["required"] == ["city"]
    said = [
        *HELLO["messages"],
        {"role": "assistant", "content": first["content"], "tool_calls": first["tool_calls"]},
        {"role": "tool", "tool_call_id": call["id"], "content": "rain"},
    ]
    second = (await author.http.post(CHAT, json={"messages": said, "tools": [WEATHER]})).json()
    assert second["content"] == "It rains in Oslo."
    sent = server.requests[1]["messages"]
    assert [each["role"] for each in sent] == ["user", "assistant", "tool"] and sent[2]["content"] == "rain"


async def test_tool_calls_are_told_at_the_end_of_a_stream(author: Caller, server: OpenAIServer) -> None:
    server.will(tool_calls(("weather", {"city": "Oslo"})))
    told = await events_of(author, {**HELLO, "tools": [WEATHER]})
    assert [each["type"] for each in told] == ["start", "end"]
    assert told[-1]["content"]["tool_calls"][0]["function"]["name"] == "weather"


async def test_an_answer_has_the_form_that_is_asked_for(author: Caller, server: OpenAIServer) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
    server.will(answer({"town": 5}), answer({"city": "Oslo"}))
    said = (await author.http.post(CHAT, json={**HELLO, "response_format": form})).json()
    assert (said["parsed"], json.loads(said["content"])) == ({"city": "Oslo"}, {"city": "Oslo"})
    assert (said["finish_reason"], len(server.requests)) == ("stop", 2)
    server.will(answer({"any": [1, {"thing": None}]}))
    told = await events_of(author, {**HELLO, "response_format": {"type": "json_object"}})
    assert told[-1]["content"]["parsed"] == {"any": [1, {"thing": None}]}


@pytest.mark.parametrize(
    ("messages", "where"),
    [
        ([], ["body", "messages"]),
        ([{"role": "boss", "content": "Hi"}], ["body", "messages", 0, "role"]),
        ([{"role": "user", "content": ""}], ["body", "messages", 0, "content"]),
        ([{"role": "system", "content": "Hi"}], ["body", "messages"]),
        ([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}], ["body", "messages"]),
        ([{"role": "tool", "content": "x", "tool_call_id": "c"}], ["body", "messages", 0, "tool_call_id"]),
        ([{"role": "user", "content": [{"type": "image", "text": "x"}]}], ["body", "messages", 0, "content"]),
        ([{"role": "user", "content": 5}], ["body", "messages", 0, "content"]),
    ],
)
async def test_messages_that_are_no_conversation(author: Caller, messages: list[Any], where: list[Any]) -> None:
    reply = await author.http.post(CHAT, json={"messages": messages})
    assert reply.status_code == 422, reply.text
    assert reply.json()["detail"][0]["loc"][: len(where)] == where


async def test_other_values_that_break_a_rule(author: Caller) -> None:
    form = {"type": "json_schema"}
    for more in (
        {"temperature": 3},
        {"max_tokens": 0},
        {"response_format": form},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}},
        {"tools": [WEATHER, WEATHER]},
        {"tools": [{"type": "function", "function": {"name": "no way"}}]},
        {"model": "nobody:model"},
        {"model": "a-model-that-nobody-knows"},
        {"model": "azure:mine"},
        {"stream": "yes"},
    ):
        reply = await author.http.post(CHAT, json={**HELLO, **more})
        assert reply.status_code == 422, f"{more}: {reply.text}"


async def test_the_tenants_own_key_is_used_in_byok(
    cairn: Cairn, author: Caller, server: OpenAIServer, settings: Settings
) -> None:
    server.will(text("Hi"))
    await byok(author, server, models=["test-model", "gpt-4o"], defaults={"chat": "gpt-4o"})
    assert (await author.http.post(CHAT, json=HELLO)).json()["model"] == "openai:gpt-4o"
    assert (await author.http.post(CHAT, json={**HELLO, "model": "test-model"})).json()["model"] == "openai:test-model"
    assert [each["model"] for each in server.requests] == ["gpt-4o", "test-model"]
    (kept,) = (await author.http.get(CONFIG)).json()["providers"]
    assert kept["last_used_at"] is not None
    for model, status, code in (
        ("openai:gpt-5.2", 403, "model_not_allowed"),
        ("offline", 403, "model_not_allowed"),
        ("anthropic:claude-sonnet-4-6", 409, "llm_key_missing"),
    ):
        body = refused(await author.http.post(CHAT, json={**HELLO, "model": model}), status, code)
        assert code != "model_not_allowed" or body["allowed"] == ["openai:test-model", "openai:gpt-4o"]
    assert len(server.requests) == 2
    await byok(author, server, api_key="sk-a-wrong-key-of-the-tenant")
    wrong = await author.http.post(CHAT, json={**HELLO, "model": "test-model"})
    refused(wrong, 502, "model_unauthorized")
    assert "sk-a-wrong" not in wrong.text
    # The key is in no history.
    await note_call(cairn)
    for workflow in cairn.started:
        assert KEY not in str(await cairn.history(workflow)) and "sk-a-wrong" not in str(await cairn.history(workflow))
    missing = await author.http.post(CHAT, json=HELLO)
    refused(missing, 422, "model_required")


async def test_the_allowlist_holds_with_the_installations_key_too(author: Caller, server: OpenAIServer) -> None:
    server.will(text("Hi"))
    saved = {"provider": "openai", "api_key": KEY, "models": ["gpt-4o"], "defaults": {"chat": "gpt-4o"}}
    assert (await author.http.post(CONFIG, json=saved)).status_code == 201
    refused(await author.http.post(CHAT, json={**HELLO, "model": "openai:gpt-5.2"}), 403, "model_not_allowed")
    assert (await author.http.post(CHAT, json={**HELLO, "model": "gpt-4o"})).status_code == 200


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (error(401, "invalid_api_key"), 502, "model_unauthorized"),
        (error(404, "model_not_found"), 422, "model_not_found"),
        (error(400, "bad"), 502, "model_rejected"),
        (error(429, "insufficient_quota", type="insufficient_quota"), 502, "quota_exceeded"),
        (error(400, "context_length_exceeded"), 422, "context_too_long"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_providers_error_is_told_by_the_status(
    author: Caller, server: OpenAIServer, reply: Any, status: int, code: str, streamed: bool
) -> None:
    server.will(reply)
    refused(await author.http.post(CHAT, json={**HELLO, "stream": streamed}), status, code)


async def test_what_fails_for_a_moment_is_tried_again(author: Caller, server: OpenAIServer) -> None:
    server.will(error(503), text("At last"))
    assert (await author.http.post(CHAT, json=HELLO)).json()["content"] == "At last"


async def test_a_stream_that_breaks_begins_anew(author: Caller, server: OpenAIServer) -> None:
    server.will(cut(after=4), text("a whole answer"))
    told = await events_of(author, HELLO)
    last = max(i for i, each in enumerate(told) if each["type"] == "start")
    assert last > 0 and "".join(each["content"] for each in told[last + 1 : -1]) == "a whole answer"
    assert told[-1]["type"] == "end"


async def test_a_stream_that_never_gets_whole_ends_with_an_error(author: Caller, server: OpenAIServer) -> None:
    server.will(cut(after=4))
    told = await events_of(author, HELLO)
    assert {each["type"] for each in told[:-1]} == {"start", "delta"}
    assert told[-1]["type"] == "error" and told[-1]["content"]["retryable"] is True
    assert set(told[-1]["content"]) == {"code", "message", "retryable"}


@pytest.mark.history("direct_calls/failed")
async def test_a_provider_that_is_away(author: Caller, cairn: Cairn, server: OpenAIServer) -> None:
    await byok(author, server, base_url="http://127.0.0.1:9/v1")
    refused(await author.http.post(CHAT, json={**HELLO, "model": "openai:m"}), 502, "connection_error")
    await note_call(cairn)


async def test_a_model_that_takes_too_long(cairn: Cairn, server: OpenAIServer) -> None:
    async with served(cairn.settings.model_copy(update={"llm_timeout": 1})) as url:
        callers = Callers(url, cairn.database, cairn.settings)
        author = await callers.new("acme")
        server.will(text("too late"))
        server.answering.clear()
        for streamed in (False, True):
            late = await author.http.post(CHAT, json={**HELLO, "stream": streamed})
            refused(late, 503, "timeout")
            assert late.headers["Retry-After"]
        server.answering.set()
        await callers.close()


async def test_a_message_of_a_megabyte(author: Caller, server: OpenAIServer) -> None:
    server.will(text("I have read it."))
    long = "words " * 175_000
    assert len(long) > 1_000_000
    said = await author.http.post(CHAT, json={"messages": [{"role": "user", "content": long}]})
    assert said.json()["content"] == "I have read it."
    assert server.requests[0]["messages"][0]["content"] == long


async def test_a_client_that_goes_away_stops_the_model(author: Caller, cairn: Cairn, server: OpenAIServer) -> None:
    gate = asyncio.Event()
    server.will(gated("one two three four", gate, after=3))
    async with author.http.stream("POST", CHAT, json={**HELLO, "stream": True}) as reply:
        async for line in reply.aiter_lines():
            if '"delta"' in line:
                break

    async def stopped() -> bool:
        return [*(await calls_of(cairn)).values()] == ["CANCELED"]

    await until(stopped)
    gate.set()


async def test_a_model_completes_a_text(author: Caller, server: OpenAIServer) -> None:
    found = [{"text": "patience", "score": 0.4}, {"text": "help", "score": 0.9}, {"text": "help", "score": 0.2}]
    server.will(answer({"suggestions": found}))
    body = {"text": "Thank you for your . Yours, Ann", "cursor": 19}
    reply = await author.http.post("/api/v1/llm/autocomplete", json=body)
    assert reply.json() == {"suggestions": [{"text": "help", "score": 0.9}, {"text": "patience", "score": 0.4}]}
    assert "Thank you for your |CURSOR|. Yours, Ann" in server.requests[0]["messages"][-1]["content"]
    for wrong in ({"text": ""}, {"cursor": 2}, {"cursor": -1}, {"max_suggestions": 11}):
        assert (await author.http.post("/api/v1/llm/autocomplete", json={"text": "a", **wrong})).status_code == 422


async def test_a_model_recommends_out_of_items(author: Caller, server: OpenAIServer) -> None:
    items = ["zoo", {"name": "museum"}, "pool"]
    found = [{"index": 1, "reason": "It is dry.", "score": 0.9}, {"index": 0, "reason": "Animals.", "score": 0.5}]
    server.will(
        answer({"recommendations": [*found, {"index": 7, "reason": "None.", "score": 1}]}),
        answer({"recommendations": found}),
    )
    body = {"context": "A rainy Sunday", "items": items, "limit": 3}
    reply = await author.http.post("/api/v1/llm/recommend", json=body)
    assert reply.json()["recommendations"] == [
        {"item": {"name": "museum"}, "reason": "It is dry.", "score": 0.9},
        {"item": "zoo", "reason": "Animals.", "score": 0.5},
    ]
    assert len(server.requests) == 2  # an item that there is not was sent back
    server.will(answer({"recommendations": [{"item": "Dune", "reason": "Sand.", "score": 0.8}]}))
    kind = await author.http.post("/api/v1/llm/recommend", json={"context": "deserts", "kind": "novels"})
    assert kind.json()["recommendations"] == [{"item": "Dune", "reason": "Sand.", "score": 0.8}]
    for wrong in ({"context": "c"}, {"context": "", "kind": "k"}, {"context": "c", "items": []}, {"items": ["a"]}):
        assert (await author.http.post("/api/v1/llm/recommend", json=wrong)).status_code == 422


async def test_another_tenants_key_is_never_used(cairn: Cairn, author: Caller, server: OpenAIServer) -> None:
    await byok(author, server, defaults={"chat": "gpt-4o"})
    callers = Callers(str(author.http.base_url), cairn.database, cairn.settings)
    server.will(text("Hi"))
    for other in (await callers.new("other"), await callers.new("acme", live=False)):
        assert (await other.http.post(CHAT, json=HELLO)).json()["model"] == "openai:test-model"
    nobody = await callers.new("acme", scopes=["llm-config:read"])
    refused(await nobody.http.post(CHAT, json=HELLO), 403, "forbidden")
    await callers.close()
