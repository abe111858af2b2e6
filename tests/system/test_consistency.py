"""Rows and Temporal: started once, and made to agree."""

from __future__ import annotations

from datetime import timedelta

import pytest
from graphs import noting, sequence, waiting
from installation import Cairn, until

from cairn.contracts.executions import Phase
from cairn.contracts.operations import Record
from cairn.domain.executions import closing, reconcile, workflow_side
from cairn.domain.executions.model import ExecutionFilter, StartExecution
from cairn.domain.executions.reconcile import Reconciler
from cairn.domain.executions.workflow_side import record
from cairn.errors import Conflict, InvalidInput, NotFound
from cairn.persistence.types import utc_now


async def test_a_committed_row_whose_start_was_lost_is_started_once(cairn: Cairn, world, monkeypatch) -> None:
    monkeypatch.setattr(reconcile, "GRACE", timedelta(0))
    workflow = await cairn.publish(sequence(noting("a")))
    async with cairn.executions() as service:
        row = await service.create(StartExecution(workflow, {}))
    assert (await cairn.get(row.id)).status_detail == "waiting for Temporal"
    reconciler = Reconciler(cairn.database, cairn.temporal, utc_now())
    await reconciler.start_pending()
    await reconciler.start_pending()
    await cairn.reach(row.id, "completed")
    assert len(world.effects("a")) == 1


async def test_starting_twice_is_starting_once(cairn: Cairn, world) -> None:
    workflow = await cairn.publish(sequence(noting("a")))
    async with cairn.executions() as service:
        row = await service.create(StartExecution(workflow, {}))
        await service.session.commit()
        first = await service.start(row)
        second = await service.start(row)
    await cairn.reach(row.id, "completed")
    async with cairn.executions() as service:
        third = await service.start(await service.require(row.id))
    assert first.temporal.run_id == second.temporal.run_id == third.temporal.run_id
    assert len(world.effects("a")) == 1


async def test_the_row_follows_the_execution_without_being_read(cairn: Cairn) -> None:
    execution = await cairn.run(sequence(noting("a")))
    await cairn.client.get_workflow_handle(execution.id).result()
    async with cairn.executions() as service:
        page = await service.list(ExecutionFilter(status="completed"), 1, 20)
    assert [(e.id, e.output_data) for e in page.items] == [(execution.id, {"done": True})]


def word_of(execution_id: str, run_id: str, phase: Phase, revision: int, **more) -> Record:
    """Return what a workflow tells of itself."""
    ids = {"temporal_id": execution_id, "execution_id": execution_id, "tenant": "acme", "run_id": run_id}
    return Record(**ids, phase=phase, revision=revision, **more)


async def test_an_end_that_temporal_has_not_got_yet_is_not_taken_back(cairn: Cairn, world, monkeypatch) -> None:
    execution = await cairn.run(sequence(waiting("a")))
    await until(lambda: world.waiting["a"])
    now = await cairn.temporal.require(execution.id)
    told = word_of(execution.id, now.run_id, Phase.COMPLETED, now.revision, output={"done": True})
    async with cairn.database.transaction() as session:
        await record(session, told)
    assert (await cairn.get(execution.id)).status == "completed"
    async with cairn.executions() as service:
        page = await service.list(ExecutionFilter(status="completed"), 1, 20)
    assert [each.id for each in page.items] == [execution.id]
    monkeypatch.setattr(closing, "TRUST", timedelta(0))
    assert (await cairn.get(execution.id)).status == "running"
    world.gate("a").set()
    assert (await cairn.reach(execution.id, "completed")).output_data == {"done": True}


async def test_what_a_lost_workflow_task_had_told_is_taken_back(cairn: Cairn, world, monkeypatch) -> None:
    """Its worker died after it wrote the row: Temporal never heard of the command that it accepted."""
    execution = await cairn.run(sequence(waiting("a")))
    await until(lambda: world.waiting["a"])
    now = await cairn.temporal.require(execution.id)
    told = word_of(execution.id, now.run_id, Phase.PAUSED, now.revision + 1)
    async with cairn.database.transaction() as session:
        await record(session, told)
    assert (await cairn.get(execution.id)).revision == 1  # the task may be about to end
    monkeypatch.setattr(closing, "SETTLED", timedelta(0))
    shown = await cairn.get(execution.id)
    assert (shown.status, shown.revision) == ("running", 0)
    async with cairn.executions() as service:
        await service.pause(execution.id, revision=0)
        await service.resume(execution.id, revision=1)
    async with cairn.database.transaction() as session:
        await record(session, told.model_copy(update={"revision": 7}))
    world.gate("a").set()
    await cairn.client.get_workflow_handle(execution.id).result()
    async with cairn.executions() as service:
        page = await service.list(ExecutionFilter(status="completed"), 1, 20)
    assert [(each.id, each.revision) for each in page.items] == [(execution.id, 2)]


async def test_what_an_ended_run_had_told_is_not_believed_beyond_its_end(cairn: Cairn) -> None:
    execution = await cairn.run(sequence(noting("a")))
    done = await cairn.reach(execution.id, "completed")
    told = word_of(execution.id, done.temporal.run_id or "", Phase.PAUSED, 1)
    async with cairn.database.transaction() as session:
        await record(session, told)  # by a worker that was frozen meanwhile
    shown = await cairn.get(execution.id)
    assert (shown.status, shown.revision) == ("completed", 0)


async def test_a_revision_that_a_reset_is_about_to_give_is_not_taken_back(cairn: Cairn, world, monkeypatch) -> None:
    """A worker that landed a reset wrote the row, and died before Temporal heard of it."""
    monkeypatch.setattr(closing, "SETTLED", timedelta(0))
    execution = await cairn.run(sequence(noting("a"), waiting("b")))
    await until(lambda: world.waiting["b"])
    land = workflow_side.land
    seen: list[int] = []

    async def twice(session, temporal, request, run_id):
        landing = await land(session, temporal, request, run_id)
        if landing.reset and not seen:
            row = await workflow_side.row_of(session, request.temporal_id)
            assert row is not None
            row.run_id, row.revision = run_id, landing.revision
            await session.commit()
            seen.append((await cairn.get(execution.id)).revision)
            return await land(session, temporal, request, run_id)
        return landing

    monkeypatch.setattr(workflow_side, "land", twice)
    await cairn.reset(execution.id, "rollback", "a")
    shown = await cairn.reach(execution.id, "paused")
    assert (seen, shown.revision) == ([1], 1)


async def test_ids_chosen_by_callers_are_unique_for_their_tenant(cairn: Cairn) -> None:
    workflow = await cairn.publish(sequence(noting("a")))
    execution = await cairn.start(workflow, execution_id="mine")
    assert (execution.id, execution.temporal.workflow_id) == ("mine", "acme.mine")
    with pytest.raises(Conflict):
        await cairn.start(workflow, execution_id="mine")
    with pytest.raises(InvalidInput):
        await cairn.start(workflow, execution_id="no blanks")


async def test_input_is_checked_by_the_graphs_schema(cairn: Cairn) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    workflow = await cairn.publish(sequence(noting("a"), input_schema=schema))
    with pytest.raises(InvalidInput) as refused:
        await cairn.start(workflow, {"n": "x"})
    assert [e.pointer for e in refused.value.errors] == ["/input_data/n"]
    graph = sequence(noting("a"), input_schema={"required": ["x"]})
    graph["nodes"][0]["data"]["input_schema"] = {"required": ["y"]}
    workflow = await cairn.publish(graph)
    with pytest.raises(InvalidInput):
        await cairn.start(workflow, {"x": 1})
    await cairn.reach((await cairn.start(workflow, {"x": 1, "y": 2})).id, "completed")
    with pytest.raises(NotFound):
        await cairn.start("0b7ad4e6-0000-0000-0000-000000000000")


async def test_lists_filter_by_metadata_status_workflow_and_time(cairn: Cairn) -> None:
    workflow = await cairn.publish(sequence(noting("a")))
    red = await cairn.start(workflow, metadata={"colour": "red", "n": 1})
    blue = await cairn.start(workflow, metadata={"colour": "blue"})
    for execution in (red, blue):
        await cairn.reach(execution.id, "completed")

    async def ids(**which):
        async with cairn.executions() as service:
            return [e.id for e in (await service.list(ExecutionFilter(**which), 1, 20)).items]

    assert await ids() == [blue.id, red.id]
    assert await ids(metadata={"colour": "red"}) == [red.id]
    assert await ids(metadata={"n": "1", "colour": "red"}) == [red.id]
    assert await ids(metadata={"colour": "green"}) == []
    assert await ids(workflow_id=workflow, status="completed") == [blue.id, red.id]
    assert await ids(status="failed") == []
    assert await ids(created_after=blue.created_at) == [blue.id]
    assert await ids(created_before=red.created_at) == [red.id]
