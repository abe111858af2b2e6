"""Retention removes earlier runs of a long execution, and it goes on."""

from __future__ import annotations

import contextlib

import pytest
from graphs import node
from installation import Cairn, until
from people import send
from system.test_continued import looping, settings  # noqa: F401
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode

from cairn.temporal.executions import ExecutionClient
from cairn.temporal.reading import Began


async def remove(cairn: Cairn, temporal_id: str, run_id: str) -> None:
    """Remove a closed run as the namespace's retention does."""
    request = DeleteWorkflowExecutionRequest(
        namespace=cairn.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=temporal_id, run_id=run_id),
    )
    await cairn.client.workflow_service.delete_workflow_execution(request)

    async def gone() -> bool:
        with contextlib.suppress(RPCError):
            await cairn.history(temporal_id, run_id)
            return False
        return True

    await until(gone, 90)


@pytest.mark.chaos  # Temporal takes its time to remove a run
async def test_an_execution_outlives_the_retention_of_its_earlier_runs(cairn: Cairn, world) -> None:
    execution = await cairn.run(looping(15, node("paid", "wait", event={"name": "paid"})))
    await until(lambda: len(world.of(execution.id)) == 15)
    before = (await cairn.get(execution.id)).checkpoints or []
    first = before[0].run_id
    await remove(cairn, execution.id, first)
    cairn.temporal = ExecutionClient(cairn.client, cairn.settings)  # another process, which has read nothing yet
    after = (await cairn.get(execution.id)).checkpoints or []
    assert [c.id for c in after] == [c.id for c in before if c.run_id != first]
    async with cairn.executions() as service:
        await service.pause(execution.id)
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await send(cairn, execution.id, "paid", 5)
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data is not None and done.output_data["n"] == 15


async def test_an_execution_is_read_without_its_earlier_runs(cairn: Cairn, world, monkeypatch) -> None:
    execution = await cairn.run(looping(15, node("paid", "wait", event={"name": "paid"})))
    await until(lambda: len(world.of(execution.id)) == 15)
    before = (await cairn.get(execution.id)).checkpoints or []
    cairn.temporal = ExecutionClient(cairn.client, cairn.settings)
    read = cairn.temporal.reader.began

    async def gone(temporal_id: str, run_id: str) -> Began:
        if run_id == before[0].run_id:
            raise RPCError("workflow execution not found", RPCStatusCode.NOT_FOUND, b"")
        return await read(temporal_id, run_id)

    monkeypatch.setattr(cairn.temporal.reader, "began", gone)
    after = (await cairn.get(execution.id)).checkpoints or []
    assert [c.id for c in after] == [c.id for c in before if c.run_id != before[0].run_id]
    await send(cairn, execution.id, "paid", 5)
    await cairn.reach(execution.id, "completed")
