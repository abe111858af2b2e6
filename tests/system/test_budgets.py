"""Over the monthly budget executions pause, and go on where they were when it is raised."""

from __future__ import annotations

from decimal import Decimal

import pytest
from graphs import node, noting, sequence
from installation import Cairn, until
from pydantic import SecretStr
from servers.openai_server import KEY, OpenAIServer, text, tool_calls
from sqlalchemy import select

from cairn.domain.usage import BudgetService
from cairn.errors import RateLimited
from cairn.persistence.tables import ExecutionRow, ModelCallRow
from cairn.settings import Settings

MODEL = "openai:gpt-4o-mini"
LITTLE = "0.000000001"
"""Enough for one request."""


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    return settings.model_copy(update={"openai_base_url": server.url, "openai_api_key": SecretStr(KEY)})


def asking(node_id: str, **data) -> dict:
    return node(node_id, "agent", prompt=f"{node_id}:", model=MODEL, output=node_id, **data)


def told(graph: dict, *keys: str) -> dict:
    graph["nodes"][-1]["data"]["output"] = {key: f"state.{key}" for key in keys}
    return graph


def prompts(server: OpenAIServer) -> list[str]:
    return [request["messages"][-1]["content"] for request in server.requests]


async def limit(cairn: Cairn, amount: str | None) -> None:
    async with cairn.database.transaction() as session:
        await BudgetService(session, cairn.principal.scope, cairn.settings).put(amount and Decimal(amount))


async def resume(cairn: Cairn, execution_id: str) -> None:
    async with cairn.executions() as service:
        await service.resume(execution_id)


async def ledger(cairn: Cairn) -> list[ModelCallRow]:
    async with cairn.database.session() as session:
        return list((await session.execute(select(ModelCallRow).order_by(ModelCallRow.id))).scalars())


@pytest.mark.history("over_budget")
async def test_an_execution_pauses_and_goes_on_when_the_budget_is_raised(cairn: Cairn, server: OpenAIServer) -> None:
    await limit(cairn, LITTLE)
    server.will(text("1"))
    execution = await cairn.run(told(sequence(asking("a"), asking("b")), "a", "b"))
    paused = await cairn.reach(execution.id, "paused")
    assert (paused.status_detail or "").startswith(
        "The monthly budget of the tenant, 0.000000001 US dollars, is used up"
    )
    assert paused.error is None and [c.name for c in paused.checkpoints] == ["start", "a"]
    await resume(cairn, execution.id)
    again = await until_paused_again(cairn, execution.id, paused.revision)
    assert again.status_detail == paused.status_detail and prompts(server) == ["a:"]
    await limit(cairn, "1")
    server.will(text("2"))
    await resume(cairn, execution.id)
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"a": "1", "b": "2"} and prompts(server) == ["b:"]
    assert (done.usage["requests"], len(done.checkpoints)) == (2, 3)
    written = await ledger(cairn)
    assert [(row.node_id, row.execution_id, row.user_id) for row in written] == [
        ("a", execution.id, "ann"),
        ("b", execution.id, "ann"),
    ]
    assert {row.agent_id for row in written} == {execution.workflow_id}
    assert sum(row.cost or 0 for row in written) == pytest.approx(Decimal(str(done.usage["cost"])))


async def until_paused_again(cairn: Cairn, execution_id: str, revision: int):
    async def again():
        now = await cairn.get(execution_id)
        return now if now.status == "paused" and now.revision > revision else None

    return await until(again)


async def test_what_a_segment_has_done_is_kept(cairn: Cairn, server: OpenAIServer) -> None:
    await limit(cairn, LITTLE)
    server.will(text("1"))
    graph = told(sequence(asking("a"), asking("b"), asking("c"), durability="segment"), "a", "b", "c")
    execution = await cairn.run(graph)
    paused = await cairn.reach(execution.id, "paused")
    assert [c.name for c in paused.checkpoints] == ["start", "a"] and prompts(server) == ["a:"]
    await limit(cairn, None)
    server.will(text("2"), text("3"))
    await resume(cairn, execution.id)
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"a": "1", "b": "2", "c": "3"} and prompts(server) == ["b:", "c:"]
    assert [c.name for c in done.checkpoints] == ["start", "a", "c"]


async def test_an_agent_goes_on_with_its_next_turn(cairn: Cairn, server: OpenAIServer, world) -> None:
    await limit(cairn, LITTLE)
    server.will(tool_calls(("note", {"entry": "n"})))
    execution = await cairn.run(told(sequence(asking("a", tools=["note"])), "a"))
    await cairn.reach(execution.id, "paused")
    assert world.of(execution.id) == ["n"]
    await limit(cairn, None)
    server.will(text("noted"))
    await resume(cairn, execution.id)
    assert (await cairn.reach(execution.id, "completed")).output_data == {"a": "noted"}
    assert world.of(execution.id) == ["n"] and len(server.requests) == 1


async def test_children_are_paid_by_who_started_their_parent(cairn: Cairn, server: OpenAIServer) -> None:
    below = await cairn.publish(sequence(asking("a")), name="below")
    server.will(text("1"))
    execution = await cairn.run(sequence(node("sub", "subgraph", workflow_id=below)))
    await cairn.reach(execution.id, "completed")
    (row,) = await ledger(cairn)
    assert row.user_id == "ann" and row.execution_id != execution.id
    async with cairn.database.session() as session:
        assert set((await session.execute(select(ExecutionRow.user_id))).scalars()) == {"ann"}


async def test_a_rollback_from_the_pause_goes_on_too(cairn: Cairn, server: OpenAIServer) -> None:
    await limit(cairn, LITTLE)
    server.will(text("1"))
    execution = await cairn.run(told(sequence(noting("n"), asking("a"), asking("b")), "a", "b"))
    await cairn.reach(execution.id, "paused")
    with pytest.raises(RateLimited):
        await cairn.run(sequence(noting("x")))
    await cairn.reset(execution.id, "rollback", "n")
    await limit(cairn, None)
    server.will(text("3"), text("4"))
    await resume(cairn, execution.id)
    assert (await cairn.reach(execution.id, "completed")).output_data == {"a": "3", "b": "4"}
