"""The schedules that the worker ensures."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
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
        return
