"""The schedules that a worker ensures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from installation import until
from temporalio.client import Client, ScheduleActionStartWorkflow, WorkflowExecutionStatus

from cairn.contracts.operations import RECONCILE_SCHEDULE_ID
from cairn.settings import Settings
from cairn.temporal.connection import connect
from cairn.temporal.schedules import ensure_reconcile


@pytest.fixture
async def client(tmp_path: Path, temporal_port: int) -> AsyncIterator[Client]:
    client = await connect(Settings(home=tmp_path, temporal_port=temporal_port), lazy=False)
    yield client
    await client.get_schedule_handle(RECONCILE_SCHEDULE_ID).delete()
    async for spell in client.list_workflows("WorkflowType = 'Reconcile' AND ExecutionStatus = 'Running'"):
        await client.get_workflow_handle(spell.id).terminate()


async def _spell(client: Client, task_queue: str) -> bool:
    """Whether a spell of reconciling waits on the task queue for a worker."""
    running = (await client.get_schedule_handle(RECONCILE_SCHEDULE_ID).describe()).info.running_actions
    for action in running:
        found = await client.get_workflow_handle(action.workflow_id).describe()
        if found.task_queue == task_queue and found.status == WorkflowExecutionStatus.RUNNING:
            return True
    return False


async def test_reconciling_follows_the_workers_to_another_task_queue(client: Client, task_queue: str) -> None:
    await ensure_reconcile(client, f"{task_queue}-old")
    await until(lambda: _spell(client, f"{task_queue}-old"))
    await ensure_reconcile(client, task_queue)
    await ensure_reconcile(client, task_queue)
    action = (await client.get_schedule_handle(RECONCILE_SCHEDULE_ID).describe()).schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert action.task_queue == task_queue
    await until(lambda: _spell(client, task_queue))
