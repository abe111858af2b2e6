"""The schedules that a worker ensures."""

from __future__ import annotations

import base64
import uuid
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from installation import Cairn, until
from installation import idle_cairn as idle_cairn
from installation import settings as settings
from installation import world as world
from temporalio.client import Client, ScheduleActionStartWorkflow, WorkflowExecutionStatus

from cairn.contracts.blobs import BLOBS_SCHEDULE_ID
from cairn.contracts.operations import RECONCILE_SCHEDULE_ID
from cairn.settings import Settings
from cairn.temporal.blobs import BlobPath
from cairn.temporal.connection import connect
from cairn.temporal.encryption import PayloadKeyUnknown
from cairn.temporal.schedules import ensure_collect_blobs, ensure_reconcile


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
    # Of two at once one is left out, and the next is due within a minute.
    await until(lambda: _spell(client, task_queue), 90)


K1, K2 = (f"k{n}:{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))


async def test_schedules_are_renewed_with_the_first_key_and_refuse_who_cannot_read_them(
    client: Client, tmp_path: Path, temporal_port: int, task_queue: str
) -> None:
    async def with_keys(keys: str | None) -> bytes | None:
        mine = await connect(Settings(home=tmp_path, temporal_port=temporal_port, payload_keys=keys), lazy=False)
        await ensure_reconcile(mine, task_queue)
        action = (await client.get_schedule_handle(RECONCILE_SCHEDULE_ID).describe()).schedule.action
        assert isinstance(action, ScheduleActionStartWorkflow)
        (payload,) = action.args
        return payload.metadata.get("encryption-key-id")

    assert await with_keys(None) is None
    assert await with_keys(f"plain,{K1}") is None
    assert await with_keys(K1) == b"k1"
    assert await with_keys(f"{K2},{K1}") == b"k2"
    for keys in (K1, None):
        with pytest.raises(PayloadKeyUnknown, match="'k2'"):
            await with_keys(keys)


async def test_stored_payloads_are_collected_by_a_schedule(idle_cairn: Cairn) -> None:
    client = idle_cairn.client
    old = BlobPath(client.namespace, date(2026, 1, 1), (f"gone-{uuid.uuid4()}",), "0" * 64)
    file = idle_cairn.settings.home / "blobs" / str(old)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    async with idle_cairn.worker():
        await ensure_collect_blobs(client, idle_cairn.settings.task_queue)
        schedule = client.get_schedule_handle(BLOBS_SCHEDULE_ID)
        try:
            await schedule.trigger()
            await until(lambda: not file.exists())
        finally:
            await schedule.delete()
