"""The schedules that the worker ensures."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from cairn.contracts.blobs import BLOBS_SCHEDULE_ID, BLOBS_WORKFLOW_TYPE
from cairn.contracts.operations import RECONCILE_SCHEDULE_ID, RECONCILE_WORKFLOW_TYPE, Nothing, ReconcileRequest
from cairn.temporal.encryption import EncryptionCodec

EVERY = timedelta(minutes=1)


async def ensure_reconcile(client: Client, task_queue: str) -> None:
    """Have Temporal start a spell of reconciling every minute, one at a time.

    Raises:
        PayloadKeyUnknown: the schedule is encrypted with a key that this process has not.
    """
    action = ScheduleActionStartWorkflow(
        RECONCILE_WORKFLOW_TYPE, ReconcileRequest(), id=RECONCILE_SCHEDULE_ID, task_queue=task_queue
    )
    await _ensure(client, RECONCILE_SCHEDULE_ID, action, EVERY, at_once=True)


async def ensure_collect_blobs(client: Client, task_queue: str) -> None:
    """Have Temporal start a removal of forgotten payloads every day.

    Raises:
        PayloadKeyUnknown: the schedule is encrypted with a key that this process has not.
    """
    action = ScheduleActionStartWorkflow(BLOBS_WORKFLOW_TYPE, Nothing(), id=BLOBS_SCHEDULE_ID, task_queue=task_queue)
    await _ensure(client, BLOBS_SCHEDULE_ID, action, timedelta(days=1))


async def _ensure(
    client: Client, name: str, action: ScheduleActionStartWorkflow, every: timedelta, *, at_once: bool = False
) -> None:
    schedule = Schedule(
        action=action,
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=every),
    )
    try:
        await client.create_schedule(name, schedule, trigger_immediately=at_once)
    except ScheduleAlreadyRunningError:
        await _follow(client, client.get_schedule_handle(name), action)


async def _follow(client: Client, handle: ScheduleHandle, action: ScheduleActionStartWorkflow) -> None:
    """Move a schedule to the task queue and key that are used now; it keeps what an operator changed of it."""
    codec = client.data_converter.payload_codec
    moved = False

    async def move(found: ScheduleUpdateInput) -> ScheduleUpdate | None:
        nonlocal moved
        schedule = found.description.schedule
        old = schedule.action
        if not isinstance(old, ScheduleActionStartWorkflow):
            return None
        # A process that cannot read the schedule could not do the work of this namespace either: better to hear it now.
        await client.data_converter.decode(old.args)
        moved = old.task_queue != action.task_queue
        stale = isinstance(codec, EncryptionCodec) and not all(map(codec.keys.is_current, old.args))
        return ScheduleUpdate(dataclasses.replace(schedule, action=action)) if moved or stale else None

    await handle.update(move)
    if moved:  # a spell on the old queue may wait there for ever, and no other would be started beside it
        await handle.trigger(overlap=ScheduleOverlapPolicy.TERMINATE_OTHER)
