"""Turns of conversations, as a client takes part in them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from agentflow_agents import make
from pydantic import SecretStr
from served import Caller
from servers.openai_server import KEY, OpenAIServer, text, tool_calls

from cairn.contracts.json import JsonObject
from cairn.settings import Settings

CONVERSATIONS = "/api/v1/conversations"


def asking(settings: Settings, server: OpenAIServer) -> Settings:
    """Return the settings of an installation that asks a model."""
    own = {"default_model": "openai:test-model", "openai_base_url": server.url, "openai_api_key": SecretStr(KEY)}
    return settings.model_copy(update=own)


async def events(
    caller: Caller, agent: str, body: JsonObject, after: int | None = None, path: str = "chat"
) -> AsyncIterator[JsonObject]:
    """Yield the events of a turn as they come; the text of their `id:` is in ``id``."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    url, seen = f"/api/v1/agent/{agent}/{path}", ""
    async with caller.http.stream("POST", url, json=body, headers=headers) as reply:
        assert reply.status_code == 200, await reply.aread()
        async for line in reply.aiter_lines():
            if line.startswith("id:"):
                seen = line.removeprefix("id:").strip()
            elif line.startswith("data:"):
                yield {**json.loads(line.removeprefix("data:")), "id": seen}


async def told(
    caller: Caller,
    agent: str,
    body: JsonObject,
    after: int | None = None,
    until: Callable[[list[JsonObject]], object] = lambda _: False,
    path: str = "chat",
) -> list[JsonObject]:
    """Return the events of a turn, to its end or until the condition holds of them."""
    found: list[JsonObject] = []
    stream: Any = events(caller, agent, body, after, path)
    async for event in stream:
        found.append(event)
        if until(found):
            break
    await stream.aclose()
    return found


def standing(found: list[JsonObject]) -> list[JsonObject]:
    """Return the events that stand: of what a reset of the turn voids nothing is left."""
    kept: list[JsonObject] = []
    for event in found:
        if event["type"] == "restart" and "void_after" in event["content"]:
            kept = [each for each in kept if each["seq"] <= event["content"]["void_after"]]
        kept.append(event)
    return kept


def shown(found: list[JsonObject], kind: str = "delta") -> str:
    """Return the text, or the `reasoning`, that a client shows: a `restart` voids what its call has told."""
    texts: dict[str, str] = {}
    for event in standing(found):
        if event["type"] in ("start", "restart"):
            texts[event["call_id"]] = ""
        elif event["type"] == kind:
            texts[event["call_id"]] = texts.get(event["call_id"], "") + event["content"]
    return "".join(texts.values())


def kinds(found: list[JsonObject]) -> list[str]:
    """Return the types of events; pieces of one text are one."""
    types = [event["type"] for event in found]
    return [kind for i, kind in enumerate(types) if kind not in ("delta", "reasoning") or types[i - 1 : i] != [kind]]


def by_number(found: list[JsonObject]) -> dict[int, tuple[str, str]]:
    """Return by each event's number its type, and what a client shows then: one reader's pieces may be longer."""
    return {event["seq"]: (event["type"], shown(found[:count])) for count, event in enumerate(found, 1)}


async def reply(caller: Caller, agent: str, message: str, **more) -> JsonObject:
    """Return a whole turn."""
    body = {"message": message, "stream": False, **more}
    said = await caller.http.post(f"/api/v1/agent/{agent}/chat", json=body)
    assert said.status_code == 200, said.text
    return said.json()


async def read(caller: Caller, place: str, **params: Any) -> JsonObject:
    found = await caller.http.get(f"{CONVERSATIONS}{place}", params=params)
    assert found.status_code == 200, found.text
    return found.json()


async def post(caller: Caller, path: str, body: JsonObject | None = None, status: int = 200) -> JsonObject:
    done = await caller.http.post(path, json=body or {})
    assert done.status_code == status, done.text
    return done.json()


async def begun(caller: Caller, agent: str, **more: Any) -> JsonObject:
    return await post(caller, CONVERSATIONS, {"agent_id": agent, **more}, 201)


async def said_so_far(caller: Caller, conversation: str, **params: Any) -> list[tuple[str, str]]:
    found = await read(caller, f"/{conversation}/messages", **params)
    return [(each["role"], each["content"]) for each in found["messages"]]


def asked(server: OpenAIServer) -> list[tuple[str, str]]:
    """Return what the model was told last."""
    return [(each["role"], each["content"]) for each in server.requests[-1]["messages"]]


async def with_tools(author: Caller, server: OpenAIServer) -> tuple[str, str]:
    """Return an agent and a conversation in which it has used a tool, once in vain."""
    agent = (await make(author, instructions="Count.", tools=["calculate"]))["id"]
    server.will(tool_calls(("calculate", {"expression": "6*7"}), ("calculate", {"expression": "1/0"})), text("42."))
    return agent, (await reply(author, agent, "How much?"))["conversation_id"]
