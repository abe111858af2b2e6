"""What is said to an agent is taken or refused, and which of them is told truly when something fails."""

from __future__ import annotations

from typing import Any

import pytest
from agentflow_agents import AGENT, make
from chatting import asking, reply
from served import Caller
from servers.openai_server import OpenAIServer, error, text

from cairn.contracts.json import JsonObject
from cairn.domain.chat.service import turn_failure
from cairn.domain.conversations.turns import TurnMessages
from cairn.errors import NotFound
from cairn.settings import Settings
from cairn.temporal.connection import unavailable
from cairn.temporal.executions import ExecutionClient


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """An installation with a model, with each kind of database."""
    return asking(settings, server)


@pytest.fixture
async def agent(author: Caller) -> str:
    return (await make(author, name="Clerk"))["id"]


@pytest.mark.parametrize("more", [{}, {"stream": False}, {"protocol": "ag-ui"}], ids=["told", "whole", "ag-ui"])
async def test_what_is_said_while_temporal_is_away_is_taken_later(
    author: Caller, server: OpenAIServer, agent: str, monkeypatch: pytest.MonkeyPatch, more: JsonObject
) -> None:
    server.will(text("Hello."))
    start, away = ExecutionClient.start, ["for a moment"]

    async def starting(*args: Any, **named: Any) -> str | None:
        if away:
            raise unavailable(OSError())
        return await start(*args, **named)

    monkeypatch.setattr(ExecutionClient, "start", starting)
    protocol = {name: more[name] for name in more if name == "protocol"}
    body = {"message": "Hi", "message_id": "m-1", **{name: more[name] for name in more if name == "stream"}}
    refused = await author.http.post(f"/api/v1/agent/{agent}/chat", json=body, params=protocol)
    assert (refused.status_code, refused.json()["code"]) == (503, "turn_running"), refused.text
    assert refused.headers["Retry-After"] == "1" and refused.json()["message_id"] == "m-1"
    away.clear()
    assert (await reply(author, agent, "Hi", message_id="m-1"))["execution_id"] == refused.json()["execution_id"]
    assert len(server.requests) == 1


async def test_a_turn_that_has_failed_is_no_refusal_of_the_message(
    author: Caller, server: OpenAIServer, agent: str
) -> None:
    """A 422 or a 503 would say that the message was not taken, or may be sent again."""
    server.will(error(400, "context_length_exceeded"))
    body = {"message": "Hi", "message_id": "m-1", "stream": False}
    for _ in range(2):
        failed = await author.http.post(f"{AGENT}{agent}/chat", json=body)
        assert (failed.status_code, failed.json()["code"]) == (502, "context_too_long"), failed.text
    assert len(server.requests) == 1


@pytest.mark.parametrize(("code", "status"), [("timeout", 502), ("max_turns", 502), ("llm_key_missing", 409)])
def test_a_turn_that_failed_is_nothing_to_be_sent_again(code: str, status: int) -> None:
    failed = turn_failure({"code": code, "message": "Why."})
    assert (failed.status, failed.code, failed.retry_after) == (status, code, None)


async def test_an_answer_that_was_kept_counts_not_when_its_turn_then_fails(
    author: Caller, server: OpenAIServer, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the last try dies between its answer and its end."""
    keep = TurnMessages.keep

    async def kept(*args: Any, **named: Any) -> None:
        await keep(*args, **named)
        if named.get("finished"):
            raise NotFound("The conversation is gone.", code="conversation_not_found")

    monkeypatch.setattr(TurnMessages, "keep", kept)
    server.will(text("Hello."))
    body = {"message": "Hi", "message_id": "m-1", "stream": False}
    failed = await author.http.post(f"{AGENT}{agent}/chat", json=body)
    assert (failed.status_code, failed.json()["code"]) == (502, "conversation_not_found"), failed.text
    monkeypatch.undo()
    conversation = (await author.http.get("/api/v1/conversations")).json()["conversations"][0]["id"]
    messages = f"/api/v1/conversations/{conversation}/messages"
    there = (await author.http.get(messages)).json()["messages"]
    assert [(each["role"], each["finished"]) for each in there] == [("user", True), ("assistant", False)]
    server.will(text("Well."))
    assert (await reply(author, agent, "Now?", conversation_id=conversation))["content"] == "Well."
    assert "Hello." not in str(server.requests[-1]), "the model is not told what nobody was"
