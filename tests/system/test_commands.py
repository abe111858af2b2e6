"""Commands and resets at unlucky moments: before an execution has landed, and after it has ended."""

from __future__ import annotations

import pytest
from graphs import noting, sequence, waiting
from installation import Cairn, until
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest

from cairn.errors import Conflict


async def test_a_pause_right_after_the_start_waits_until_it_has_landed(idle_cairn: Cairn, world) -> None:
    cairn = idle_cairn
    execution = await cairn.run(sequence(noting("a"), waiting("gate"), noting("c")))
    async with cairn.worker(), cairn.executions() as service:
        paused = await service.pause(execution.id)
    assert (paused.status, paused.revision) == ("paused", 1)


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
