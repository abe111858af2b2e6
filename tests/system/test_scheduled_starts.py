"""Firings of schedules, as Temporal starts them: each ends as its execution does."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from graphs import noting, sequence, waiting
from installation import Cairn, until
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError

from cairn.contracts.json import JsonObject
from cairn.contracts.schedules import (
    LOOK_AT_EXECUTION,
    SCHEDULED_WORKFLOW_TYPE,
    Fired,
    Firing,
    FiringRequest,
    Spec,
    scheduled_execution_id,
)
from cairn.domain.schedules import firing
from cairn.domain.schedules.model import CreateSchedule
from cairn.domain.schedules.service import ScheduleService
from cairn.temporal.schedule_client import ScheduleClient


class Fire:
    """A firing that is about to be."""

    def __init__(self, cairn: Cairn, schedule_id: str) -> None:
        self.cairn = cairn
        self.schedule_id = schedule_id
        self.id = f"{schedule_id}-{uuid.uuid4().hex}"
        self.execution_id = scheduled_execution_id(self.id)

    @classmethod
    async def of(cls, cairn: Cairn, definition: JsonObject) -> Fire:
        """Make a schedule that never fires by itself."""
        workflow = await cairn.publish(definition)
        async with cairn.executions() as executions:
            service = ScheduleService(executions, ScheduleClient(cairn.client, cairn.settings))
            row = await service.create(CreateSchedule(workflow, Spec(cron=["0 0 1 1 * 2099"]), paused=True))
            return cls(cairn, row.id)

    async def prepare(self) -> None:
        """Make the execution's row, as the firing's first activity does."""
        request = FiringRequest(schedule_id=self.schedule_id, firing_id=self.id, nominal_time=datetime.now(UTC))
        async with self.cairn.database.transaction() as session:
            await firing.prepare(session, self.cairn.temporal, self.cairn.settings, request)

    async def start(self) -> WorkflowHandle[object, Fired]:
        """Start the workflow that Temporal starts at the schedule's times."""
        self.cairn.started = [self.id]  # whose history is recorded
        return await self.cairn.client.start_workflow(
            SCHEDULED_WORKFLOW_TYPE,
            Firing(schedule_id=self.schedule_id),
            id=self.id,
            task_queue=self.cairn.settings.task_queue,
            result_type=Fired,
        )

    async def started_by_the_reconciler(self) -> None:
        """Have the execution started by what finds its row before the firing comes to that."""
        await self.prepare()
        async with self.cairn.executions() as executions:
            await executions.start(await executions.require(self.execution_id))


@pytest.mark.history("schedules/completed")
async def test_a_firing_ends_with_its_execution(cairn: Cairn, world) -> None:
    fire = await Fire.of(cairn, sequence(noting("a")))
    fired = await (await fire.start()).result()
    assert (fired.execution_id, fired.status) == (fire.execution_id, "completed")
    assert world.of(fire.execution_id) == ["a"]


@pytest.mark.history("schedules/failed")
async def test_a_firing_fails_as_its_execution_does(cairn: Cairn, world) -> None:
    world.failing.add("breaks")
    fire = await Fire.of(cairn, sequence(noting("breaks")))
    with pytest.raises(WorkflowFailureError) as failed:
        await (await fire.start()).result()
    assert isinstance(failed.value.cause, ApplicationError) and failed.value.cause.type == "planned"
    await cairn.reach(fire.execution_id, "failed")


@pytest.mark.history("schedules/cancelled")
async def test_a_cancelled_firing_cancels_its_execution(cairn: Cairn, world) -> None:
    fire = await Fire.of(cairn, sequence(waiting("one")))
    handle = await fire.start()
    await until(lambda: world.waiting["one"])
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as ended:
        await handle.result()
    assert isinstance(ended.value.cause, CancelledError)
    await cairn.reach(fire.execution_id, "cancelled")


@pytest.mark.history("schedules/reset")
async def test_a_firing_stays_open_while_its_execution_is_rolled_back(cairn: Cairn, world) -> None:
    fire = await Fire.of(cairn, sequence(noting("a"), waiting("one")))
    handle = await fire.start()
    await until(lambda: world.waiting["one"])
    await cairn.reset(fire.execution_id, "rollback", "a")
    world.gate("one").set()
    async with cairn.executions() as executions:
        await executions.resume(fire.execution_id, None, None)
    assert (await handle.result()).status == "completed"


@pytest.mark.history("schedules/started_before")
async def test_an_execution_that_the_reconciler_has_started_is_followed(cairn: Cairn, world) -> None:
    fire = await Fire.of(cairn, sequence(waiting("one")))
    await fire.started_by_the_reconciler()
    await until(lambda: world.waiting["one"])
    handle = await fire.start()
    world.gate("one").set()
    fired = await handle.result()
    assert (fired.execution_id, fired.status) == (fire.execution_id, "completed")
    assert len(world.effects("one")) == 1


@pytest.mark.history("schedules/started_before_cancelled")
async def test_a_cancellation_reaches_an_execution_that_the_reconciler_has_started(cairn: Cairn, world) -> None:
    fire = await Fire.of(cairn, sequence(waiting("one"), noting("two")))
    await fire.started_by_the_reconciler()
    await until(lambda: world.waiting["one"])
    handle = await fire.start()

    async def looks() -> bool:
        events = (await cairn.history(fire.id)).events
        types = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
        return LOOK_AT_EXECUTION.name in types

    await until(looks)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as ended:
        await handle.result()
    assert isinstance(ended.value.cause, CancelledError)
    await cairn.reach(fire.execution_id, "cancelled")
    assert world.of(fire.execution_id) == []
