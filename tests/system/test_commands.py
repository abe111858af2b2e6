"""Commands and resets at unlucky moments: before an execution has landed, and after it has ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from graphs import noting, sequence, waiting
from installation import Cairn, until
from system.test_operator import reset
from temporalio.api.common.v1 import Payloads
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    RespondActivityTaskCompletedRequest,
)
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.registry import Dependencies, activities
from cairn.contracts.nodes import NodeResult
from cairn.contracts.operations import LandRequest
from cairn.domain.executions.model import ExecutionFilter
from cairn.domain.executions.reconcile import Reconciler
from cairn.domain.executions.service import ExecutionService
from cairn.domain.executions.workflow_side import land
from cairn.errors import Conflict
from cairn.persistence.types import utc_now
from cairn.temporal.reading import HistoryReader
from workflows.registry import WORKFLOWS


async def test_a_pause_right_after_the_start_waits_until_it_has_landed(idle_cairn: Cairn, world) -> None:
    cairn = idle_cairn
    execution = await cairn.run(sequence(noting("a"), waiting("gate"), noting("c")))
    async with cairn.worker(), cairn.executions() as service:
        paused = await service.pause(execution.id)
        world.gate("gate").set()  # a worker that stops would wait ten seconds for the tool
    assert (paused.status, paused.revision) == ("paused", 1)


async def test_an_execution_waits_for_a_namespace_that_lacks_its_search_attributes(
    idle_cairn: Cairn, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    cairn = idle_cairn
    lacking = SearchAttributePair(SearchAttributeKey.for_keyword("CairnOfNobody"), "x")
    with monkeypatch.context() as before_a_worker_registers_them:
        told = "cairn.temporal.executions.execution_attributes"
        before_a_worker_registers_them.setattr(told, lambda start: TypedSearchAttributes([lacking]))
        execution = await cairn.run(sequence(noting("a")))
    monkeypatch.setattr("cairn.domain.executions.reconcile.GRACE", timedelta(0))
    await Reconciler(cairn.database, cairn.temporal, utc_now()).start_pending()
    async with cairn.worker():
        await cairn.reach(execution.id, "completed")


async def test_a_command_sent_again_after_the_end_was_carried_out(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(waiting("gate"), noting("b")))
    await until(lambda: world.waiting["gate"])
    async with cairn.executions() as service:
        await service.pause(execution.id, key="k1")
    async with cairn.executions() as service:
        await service.resume(execution.id, key="k2")
    world.gate("gate").set()
    done = await cairn.reach(execution.id, "completed")
    async with cairn.executions() as service:
        again = await service.resume(execution.id, key="k2")
    assert (again.status, again.revision) == ("completed", done.revision)
    async with cairn.executions() as service:
        with pytest.raises(Conflict) as refused:
            await service.resume(execution.id, key="k3")
    assert refused.value.code == "execution_closed"


async def test_a_cancellation_that_comes_with_a_result_is_told(idle_cairn: Cairn, world) -> None:
    cairn = idle_cairn
    execution = await cairn.run(sequence(noting("a"), noting("b")))
    made = activities(Dependencies(cairn.settings, cairn.database, cairn.client))
    async with Worker(
        cairn.client,
        task_queue=cairn.settings.task_queue,
        workflows=WORKFLOWS,
        activities=made,
        workflow_runner=UnsandboxedWorkflowRunner(),
        no_remote_activities=True,  # the tool is left to this test
    ):
        service, namespace = cairn.client.workflow_service, cairn.client.namespace
        queue = TaskQueue(name=cairn.settings.task_queue)
        task = await service.poll_activity_task_queue(
            PollActivityTaskQueueRequest(namespace=namespace, task_queue=queue)
        )
    await cairn.client.get_workflow_handle(execution.id).cancel()
    result = Payloads(payloads=await cairn.client.data_converter.encode([NodeResult(value="done")]))
    await service.respond_activity_task_completed(
        RespondActivityTaskCompletedRequest(namespace=namespace, task_token=task.task_token, result=result)
    )
    async with cairn.worker(), cairn.executions() as executions:
        await until(lambda: _listed(executions, "cancelled"))
    assert not world.ledger


async def _listed(executions: ExecutionService, status: str) -> bool:
    """Whether the list has one execution, in this state."""
    return [item.status for item in (await executions.list(ExecutionFilter(), 1, 10)).items] == [status]


async def test_a_landing_whose_workflow_task_was_lost_is_not_counted_again(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(noting("a")))
    done = await cairn.reach(execution.id, "completed")
    back = await cairn.reset(execution.id, "rollback", "a")
    first, run_id = done.temporal.run_id, back.temporal.run_id
    again = LandRequest(temporal_id=execution.id, execution_id=execution.id, tenant="acme", original_run_id=first)
    async with cairn.database.session() as session:
        landing = await land(session, cairn.temporal, again, run_id)
    assert (landing.reset, landing.revision) == (True, back.revision)


async def test_a_landing_reads_the_end_of_the_history_once(idle_cairn: Cairn, world, monkeypatch) -> None:
    cairn = idle_cairn
    async with cairn.worker():
        execution = await cairn.run(sequence(noting("a"), noting("b")))
        done = await cairn.reach(execution.id, "completed")
    await reset(cairn, done, "a")
    await cairn.client.get_workflow_handle(execution.id).cancel()
    first, run_id = done.temporal.run_id, (await cairn.temporal.require(execution.id)).run_id
    read: list[str] = []
    reverse = HistoryReader._reverse

    def counted(self: HistoryReader, temporal_id: str, run_id: str):
        read.append(run_id)
        return reverse(self, temporal_id, run_id)

    monkeypatch.setattr(HistoryReader, "_reverse", counted)
    asked = LandRequest(temporal_id=execution.id, execution_id=execution.id, tenant="acme", original_run_id=first)
    async with cairn.database.session() as session:
        landing = await land(session, cairn.temporal, asked, run_id)
    assert (landing.reset, landing.cancelled, landing.revision) == (True, True, 1)
    assert read == [run_id]


async def test_an_execution_terminated_in_its_first_workflow_task_can_be_replayed(idle_cairn: Cairn, world) -> None:
    cairn = idle_cairn
    execution = await cairn.run(sequence(noting("a")))
    service = cairn.client.workflow_service
    queue = TaskQueue(name=cairn.settings.task_queue)
    # A worker that takes the task and is never heard of again.
    await service.poll_workflow_task_queue(PollWorkflowTaskQueueRequest(namespace="default", task_queue=queue))
    await cairn.client.get_workflow_handle(execution.id).terminate()
    async with cairn.worker():
        cancelled = await cairn.reach(execution.id, "cancelled")
        assert [(c.name, c.resettable) for c in cancelled.checkpoints] == [("start", True)]
        await cairn.reset(execution.id, "replay", "start")
        await cairn.reach(execution.id, "completed")
    assert len(world.effects("a")) == 1
