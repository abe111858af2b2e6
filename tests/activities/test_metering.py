"""Every request to a model is accounted for, by whichever activity makes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from calls import environment, fail, node_call, run
from installation import until
from pydantic import SecretStr
from servers.openai_server import KEY, OpenAIServer, answer, error, gated, text
from sqlalchemy import select

from activities import patience
from activities.llm import AgentActivities
from cairn.domain.executions.tokens import TokenWriter
from cairn.domain.tools import ToolRegistry
from cairn.domain.usage import BudgetService, Ledger
from cairn.errors import Unavailable
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database
from cairn.persistence.tables import BudgetReserveRow, ModelCallRow
from cairn.providers.llm import LanguageModels
from cairn.settings import Settings

MODEL = "openai:gpt-4o"
SCOPE = Scope("t", True)
COST = Decimal("0.00045")
"""Of a reply of the server: 100 tokens in at 2.5 dollars a million, 20 out at 10."""


@pytest.fixture
async def models(server: OpenAIServer, tmp_path: Path) -> AsyncGenerator[LanguageModels]:
    made = LanguageModels(Settings(home=tmp_path, openai_base_url=server.url, openai_api_key=SecretStr(KEY)))
    yield made
    await made.aclose()


@pytest.fixture
def agent(models: LanguageModels, database: Database) -> Any:
    return AgentActivities(models, ToolRegistry([]), ledger=Ledger(database)).run_agent


def asking(**data: Any):
    return node_call(**{"prompt": "Say it", "model": MODEL, **data})


async def rows(database: Database, table: type = ModelCallRow) -> list[Any]:
    async with database.session() as session:
        return list((await session.execute(select(table))).scalars())


async def budget(database: Database, limit: str | None = None):
    async with database.transaction() as session:
        service = BudgetService(session, SCOPE, Settings())
        return await service.get() if limit is None else await service.put(Decimal(limit))


async def test_a_request_is_a_row(agent: Any, database: Database, server: OpenAIServer) -> None:
    server.will(text("It"))
    result = await run(agent, asking())
    (row,) = await rows(database)
    assert (row.tenant, row.live, row.execution_id, row.node_id, row.visit, row.model) == (
        "t",
        True,
        "e1",
        "n1",
        1,
        MODEL,
    )
    assert (row.input_tokens, row.output_tokens, row.cost, row.user_id) == (100, 20, COST, None)
    assert result.usage is not None and result.usage.cost == pytest.approx(float(row.cost))
    assert (await budget(database)).spent == COST


async def test_a_streamed_request_is_one_too(models: LanguageModels, database: Database, server: OpenAIServer) -> None:
    agent = AgentActivities(models, ToolRegistry([]), TokenWriter(database), ledger=Ledger(database)).run_agent
    server.will(text("It is said"))
    await run(agent, asking())
    assert server.requests[-1]["stream"] is True
    (row,) = await rows(database)
    assert (row.input_tokens, row.output_tokens, row.cost) == (100, 20, COST)


async def test_each_correction_and_each_try_is_a_row_of_its_own(
    agent: Any, database: Database, server: OpenAIServer
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    server.will(answer({"n": "x"}), answer({"n": 1}))
    result = await run(agent, asking(output_schema=schema))
    assert result.usage is not None and result.usage.requests == 2
    server.will(text("again"))
    await run(agent, asking(), attempt=2)
    keys = [row.key for row in await rows(database)]
    assert [key.rsplit("/", 4)[1:] for key in keys] == [
        ["1", "n1", "1", "1"],
        ["1", "n1", "1", "2"],
        ["2", "n1", "1", "1"],
    ]
    assert (await budget(database)).spent == 3 * COST


async def test_the_offline_model_costs_nothing_and_is_counted(agent: Any, database: Database) -> None:
    await budget(database, "0")
    await run(agent, asking(model="offline"))
    assert [(row.model, row.cost) for row in await rows(database)] == [("offline", 0)]


async def test_a_model_without_a_price_is_counted_and_let_through(
    agent: Any, database: Database, server: OpenAIServer
) -> None:
    await budget(database, "0")
    server.will(text("It", model="llama-at-home"))
    await run(agent, asking(model="openai:llama-at-home"))
    assert [(row.output_tokens, row.cost) for row in await rows(database)] == [(20, None)]


async def test_a_request_that_failed_leaves_neither_a_row_nor_a_reserve(
    agent: Any, database: Database, server: OpenAIServer
) -> None:
    await budget(database, "1")
    server.will(error(500))
    assert (await fail(agent, asking())).type == "model_unavailable"
    assert await rows(database) == await rows(database, BudgetReserveRow) == []


async def test_over_the_budget_no_model_is_asked(agent: Any, database: Database, server: OpenAIServer) -> None:
    await budget(database, "0.0000001")
    server.will(text("It"))
    await run(agent, asking())
    server.will()
    refused = await fail(agent, asking())
    assert (refused.type, refused.non_retryable, server.requests) == ("over_budget", True, [])
    assert refused.message.startswith("The monthly budget of the tenant, 0.0000001 US dollars, is used up until ")
    assert refused.details[0]["resets_at"].endswith("-01T00:00:00Z")
    assert (await budget(database)).reserved == 0


async def test_what_may_be_asked_is_reserved_while_it_is_asked_and_given_back_when_it_is_cancelled(
    models: LanguageModels, database: Database, server: OpenAIServer
) -> None:
    agent = AgentActivities(models, ToolRegistry([]), TokenWriter(database), ledger=Ledger(database)).run_agent
    await budget(database, "1")
    gate = asyncio.Event()
    server.will(gated("It takes long", gate))
    task = asyncio.create_task(run(agent, asking(prompt="x" * 3000)))
    await until(lambda: rows(database, BudgetReserveRow))
    # A thousand tokens in, and the longest reply.
    assert Decimal("0.04") < (await budget(database)).reserved < Decimal("0.06")
    await until(lambda: server.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    assert (await budget(database)).reserved == 0


async def test_a_database_that_is_away_for_a_moment_costs_no_reply(
    models: LanguageModels, database: Database, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, tries = Ledger(database), iter([True, True, False])
    settle = ledger.settle

    async def unsteady(*arguments: Any) -> None:
        if next(tries):
            raise Unavailable("The database does not answer.")
        await settle(*arguments)

    monkeypatch.setattr(patience, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(ledger, "settle", unsteady)
    agent = AgentActivities(models, ToolRegistry([]), ledger=ledger).run_agent
    server.will(text("It"))
    await run(agent, asking())
    assert len(await rows(database)) == 1
    tries = iter([True] * 3)
    server.will(text("It"))
    away = await fail(agent, asking())
    assert (away.type, away.non_retryable) == ("ledger_unavailable", False)


async def test_a_segments_nodes_have_rows_of_their_own(agent: Any, database: Database, server: OpenAIServer) -> None:
    server.will(text("1"), text("2"))
    one = environment()
    for node_id in ("a", "b"):  # in one activity, as a segment has them
        await one.run(agent, asking().model_copy(update={"node_id": node_id}))
    assert [row.node_id for row in await rows(database)] == ["a", "b"]
