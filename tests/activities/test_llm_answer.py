"""Agents that only answer: their model is asked without a loop round it, and what they do is what the loop did."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import pytest
from calls import fail, node_call, run
from pydantic import SecretStr
from servers.openai_server import KEY, OpenAIServer, Reply, raw, text, thought, tool_calls
from sqlalchemy import select

from activities import llm
from activities.llm import AgentActivities
from cairn.domain.executions.tokens import TokenWriter
from cairn.domain.tools import ToolRegistry
from cairn.domain.usage import Ledger
from cairn.persistence.session import Database
from cairn.persistence.tables import ModelCallRow, StreamChunkRow
from cairn.providers.llm import LanguageModels
from cairn.settings import Settings

MODEL = "openai:gpt-4o"


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def streamed(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
async def activity(server: OpenAIServer, database: Database, streamed: bool) -> AsyncGenerator[Any]:
    models = LanguageModels(Settings(openai_base_url=server.url, openai_api_key=SecretStr(KEY)))
    tokens = TokenWriter(database) if streamed else None
    yield AgentActivities(models, ToolRegistry([]), tokens, ledger=Ledger(database)).run_agent
    await models.aclose()


def asking(**data: Any) -> Any:
    return node_call(**{"prompt": "Say it", "model": MODEL, "system": "Be brief", **data})


async def costs(database: Database) -> list[Decimal | None]:
    async with database.session() as session:
        return list((await session.execute(select(ModelCallRow.cost).order_by(ModelCallRow.id))).scalars())  # type: ignore[arg-type]


async def test_an_answer_needs_no_loop(activity: Any, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm, "make_agent", None)
    server.will(thought("Let me see.", text("It")))
    result = await run(activity, asking())
    assert result.value == "It"
    assert result.usage is not None and result.usage.cost is not None
    assert (result.usage.requests, result.usage.input_tokens, result.usage.output_tokens) == (1, 100, 20)


@pytest.mark.parametrize("first", [text(""), tool_calls(("price", {"item": "rope"}))])
async def test_what_is_no_answer_is_corrected_and_each_request_is_accounted_for_once(
    activity: Any, server: OpenAIServer, database: Database, first: Reply, streamed: bool
) -> None:
    server.will(first, text("It"))
    result = await run(activity, asking())
    assert (result.value, len(server.requests)) == ("It", 2)
    assert [message["content"] for message in server.requests[1]["messages"]][:2] == ["Be brief", "Say it"]
    assert len(server.requests[1]["messages"]) > 2, "the model is told what was wrong"
    assert result.usage is not None
    assert (result.usage.requests, result.usage.input_tokens, result.usage.cost) == (2, 200, 2 * 0.00045)
    assert await costs(database) == [Decimal("0.00045")] * 2
    async with database.session() as session:
        pieces = (await session.execute(select(StreamChunkRow.text))).scalars().all()  # type: ignore[call-overload]
    assert "".join(pieces) == ("It" if streamed else "")


@pytest.mark.parametrize(
    ("reply", "code", "final", "asked"),
    [
        (text("", finish="content_filter"), "content_filtered", True, 1),
        (text("", finish="length"), "model_behavior", False, 1),
        (text(""), "model_behavior", False, 3),
    ],
)
async def test_what_never_becomes_an_answer_fails(
    activity: Any, server: OpenAIServer, database: Database, reply: Reply, code: str, final: bool, asked: int
) -> None:
    server.will(reply)
    failure = await fail(activity, asking())
    assert (failure.type, failure.non_retryable, len(server.requests)) == (code, final, asked)
    assert failure.details[0]["usage"]["requests"] == asked == len(await costs(database))


async def test_an_answer_over_the_budget_is_none_and_says_what_it_cost(activity: Any, server: OpenAIServer) -> None:
    server.will(text("It"))
    failure = await fail(activity, asking(max_cost=0.0001))
    assert (failure.type, failure.non_retryable, len(server.requests)) == ("budget_exceeded", True, 1)
    used = failure.details[0]["usage"]
    assert (used["requests"], used["cost"]) == (1, pytest.approx(0.00045))


async def test_a_correction_over_the_turns_is_not_asked_for(activity: Any, server: OpenAIServer) -> None:
    server.will(text(""))
    failure = await fail(activity, asking(max_turns=1))
    assert (failure.type, len(server.requests)) == ("max_turns", 1)


async def test_an_answer_that_was_cut_short_is_one(activity: Any, server: OpenAIServer) -> None:
    server.will(text("It is", finish="length"))
    assert (await run(activity, asking())).value == "It is"


@pytest.mark.parametrize("streamed", [False], indirect=True)
async def test_what_a_server_does_not_say_has_no_price(activity: Any, server: OpenAIServer, database: Database) -> None:
    message = b'{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "It"}}'
    server.will(
        raw(b'{"id": "c", "object": "chat.completion", "created": 0, "model": "gpt-4o", "choices": [' + message + b"]}")
    )
    result = await run(activity, asking())
    assert result.usage is not None
    assert (result.value, result.usage.cost, await costs(database)) == ("It", None, [None])
