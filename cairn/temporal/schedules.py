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

from cairn.contracts.operations import RECONCILE_SCHEDULE_ID, RECONCILE_WORKFLOW_TYPE, ReconcileRequest

EVERY = timedelta(minutes=1)


async def ensure_reconcile(client: Client, task_queue: str) -> None:
    """Have Temporal start a spell of reconciling every minute, one at a time."""
    action = ScheduleActionStartWorkflow(
        RECONCILE_WORKFLOW_TYPE, ReconcileRequest(), id=RECONCILE_SCHEDULE_ID, task_queue=task_queue
    )
    schedule = Schedule(
        action=action,
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=EVERY),
    )
    try:
        await client.create_schedule(RECONCILE_SCHEDULE_ID, schedule, trigger_immediately=True)
    except ScheduleAlreadyRunningError:
        await _follow(client.get_schedule_handle(RECONCILE_SCHEDULE_ID), action)


async def _follow(handle: ScheduleHandle, action: ScheduleActionStartWorkflow) -> None:
    """Move a schedule to the task queue that is served now; it keeps what an operator changed of it."""
    moved = False

    def move(found: ScheduleUpdateInput) -> ScheduleUpdate | None:
        nonlocal moved
        schedule = found.description.schedule
        old = schedule.action
        moved = isinstance(old, ScheduleActionStartWorkflow) and old.task_queue != action.task_queue
        return ScheduleUpdate(dataclasses.replace(schedule, action=action)) if moved else None

    await handle.update(move)
    if moved:  # a spell on the old queue may wait there for ever, and no other would be started beside it
        await handle.trigger(overlap=ScheduleOverlapPolicy.TERMINATE_OTHER)
