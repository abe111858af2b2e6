"""Rows of executions that stay open for long are compared with Temporal, all of them cheaply."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from graphs import noting, sequence, waiting
from installation import Cairn, until
from system_tools import World
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest, ListWorkflowExecutionsResponse

from cairn.contracts.executions import Phase
from cairn.domain.executions import reconcile
from cairn.domain.executions.reconcile import Reconciler
from cairn.domain.executions.workflow_side import row_of
from cairn.persistence.types import utc_now
from cairn.temporal.open_runs import open_runs


async def test_only_rows_that_differ_from_what_temporal_lists_are_looked_at(
    cairn: Cairn, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "STALE", timedelta(0))
    right, wrong = [await cairn.run(sequence(waiting("a"))) for _ in range(2)]
    await until(lambda: world.waiting["a"] == 2)

    async def listed() -> bool:
        return len(await open_runs(cairn.client, [right.id, wrong.id])) == 2

    await until(listed)
    async with cairn.database.transaction() as session:
        row = await row_of(session, wrong.id)
        assert row is not None
        row.status = "paused"
    reconciler, repaired = Reconciler(cairn.database, cairn.temporal, utc_now()), list[str]()
    repair = reconciler.repair

    async def noted(temporal_id: str) -> None:
        repaired.append(temporal_id)
        await repair(temporal_id)

    monkeypatch.setattr(reconciler, "repair", noted)
    for expected in ([wrong.id], []):
        repaired.clear()
        await reconciler.check_stale()
        assert [each for each in repaired if each in (right.id, wrong.id)] == expected
    async with cairn.database.session() as session:
        row = await row_of(session, wrong.id)
    assert row is not None and row.status == "running"
    world.gate("a").set()


async def test_executions_that_have_told_how_they_ended_are_not_looked_at(
    cairn: Cairn, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = utc_now() - timedelta(seconds=1)
    ended = [await cairn.run(sequence(noting("a"))) for _ in range(3)]
    ids = [(await cairn.reach(each.id, "completed")).id for each in ended]

    async def listed() -> bool:
        return {each.temporal_id async for each in cairn.temporal.closed_since(began)} >= set(ids)

    await until(listed)
    reconciler, repaired = Reconciler(cairn.database, cairn.temporal, began), list[str]()

    async def noted(temporal_id: str) -> None:
        repaired.append(temporal_id)

    monkeypatch.setattr(reconciler, "repair", noted)
    await reconciler.follow_closed()
    assert set(repaired).isdisjoint(ids)
    async with cairn.database.transaction() as session:
        row = await row_of(session, ids[1])
        assert row is not None
        row.status = "running"
    reconciler.since = began
    await reconciler.follow_closed()
    assert set(repaired) & set(ids) == {ids[1]}


async def test_what_is_not_listed_is_left_out(cairn: Cairn) -> None:
    assert await open_runs(cairn.client, ["unknown", "with'quote", "with\\backslash"]) == {}
    assert await open_runs(cairn.client, []) == {}


async def test_of_what_ended_only_the_latest_is_read(
    cairn: Cairn, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much Temporal keeps: each way to end is listed from its latest on, to the first that ended before."""
    monkeypatch.setattr("cairn.temporal.executions._ENDED_PAGE", 1)
    old = [(await cairn.reach((await cairn.run(sequence(noting("a")))).id, "completed")).id for _ in range(4)]
    began = utc_now()
    late = (await cairn.reach((await cairn.run(sequence(noting("a")))).id, "completed")).id
    stopped = (await cairn.run(sequence(waiting("a")))).id
    await cairn.client.get_workflow_handle(stopped).terminate("by an operator")

    async def ended(since: datetime) -> dict[str, Phase | None]:
        return {each.temporal_id: each.phase async for each in cairn.temporal.closed_since(since)}

    async def listed() -> bool:
        return {*old, late, stopped} <= set(await ended(began - timedelta(minutes=1)))

    await until(listed)
    list_, read = cairn.client.workflow_service.list_workflow_executions, list[str]()

    async def counted(asked: ListWorkflowExecutionsRequest, **how: Any) -> ListWorkflowExecutionsResponse:
        page = await list_(asked, **how)
        read.extend(run.execution.workflow_id for run in page.executions)
        return page

    monkeypatch.setattr(cairn.client.workflow_service, "list_workflow_executions", counted)
    assert await ended(began) == {late: Phase.COMPLETED, stopped: Phase.CANCELLED}
    assert len(set(old) & set(read)) == 1, "more was read of what ended before"
