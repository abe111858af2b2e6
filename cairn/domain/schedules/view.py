"""From rows and what Temporal says to what the surfaces show."""

from __future__ import annotations

import asyncio

from sqlmodel import col

from cairn.contracts.schedules import Spec, scheduled_execution_id
from cairn.domain.executions.model import WAITING_FOR_TEMPORAL
from cairn.domain.executions.service import ExecutionService
from cairn.domain.schedules.model import Schedule, ScheduleActivity, ScheduleRun
from cairn.persistence.tables import ExecutionRow, ScheduleRow
from cairn.temporal.schedule_client import FiringEnd, FiringSeen, ScheduleClient, ScheduleSeen

NEXT_RUNS = 5
_OPEN = ("pending", "running", "paused")


def of_row(row: ScheduleRow, activity: ScheduleActivity | None = None) -> Schedule:
    """Return what the row says, with what Temporal knows besides."""
    return Schedule(
        id=row.id,
        name=row.name,
        workflow_id=row.workflow_uuid,
        input_data=row.input_data,
        metadata=row.metadata_,
        spec=Spec.model_validate(row.spec),
        overlap=row.overlap,
        catchup_window_seconds=row.catchup_window_seconds,
        pause_on_failure=row.pause_on_failure,
        paused=row.paused,
        note=row.note,
        status_detail=WAITING_FOR_TEMPORAL if row.applied < row.generation else None,
        created_by=row.created_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
        activity=activity,
    )


async def activity_of(executions: ExecutionService, client: ScheduleClient, seen: ScheduleSeen) -> ScheduleActivity:
    """Return what Temporal knows of a schedule, firings with their executions.

    Raises:
        Unavailable: Temporal does not answer.
    """
    ids = [scheduled_execution_id(firing) for firing in (*(each.firing_id for each in seen.recent), *seen.running)]
    found = await executions.rows.all(executions.principal.scope, col(ExecutionRow.id).in_(ids))
    rows = {row.id: row for row in found}
    await executions.session.commit()  # the connection is free while Temporal is asked
    runs = [_run(client, each, rows.get(scheduled_execution_id(each.firing_id))) for each in reversed(seen.recent)]
    recent = list(await asyncio.gather(*runs))
    return ScheduleActivity(
        next_runs=[] if seen.paused else seen.next_times[:NEXT_RUNS],
        recent_runs=recent,
        running=[id for id in dict.fromkeys(ids) if id in rows and rows[id].status in _OPEN],
        runs=seen.started,
        skipped=seen.skipped,
        missed=seen.missed,
    )


async def _run(client: ScheduleClient, firing: FiringSeen, row: ExecutionRow | None) -> ScheduleRun:
    if row is not None:
        shown = {"pending": "running"}.get(row.status, row.status)
        return ScheduleRun(firing.scheduled_at, firing.started_at, row.id, shown, row.error)
    end = await client.end_of(firing.firing_id, firing.run_id) or FiringEnd(None)
    return ScheduleRun(firing.scheduled_at, firing.started_at, None, end.status, end.error)
