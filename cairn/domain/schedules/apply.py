"""Makes Temporal's schedule like its row: what a request does after its commit, and the reconciler after a crash."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.schedules import Overlap, Spec
from cairn.persistence.tables import ScheduleRow
from cairn.temporal.schedule_client import ScheduleClient, Timetable


async def apply(client: ScheduleClient, session: AsyncSession, row: ScheduleRow, *, lost: bool = False) -> None:
    """Make Temporal's schedule like the row, once or again; commits that it is so.

    Whoever applies an older form last finds the row changed, and applies that: so the newest form stays.

    Args:
        client: of Temporal.
        session: that the row is of.
        row: committed.
        lost: Temporal does not have the schedule any more.

    Raises:
        InvalidInput: Temporal does not take the times.
        Unavailable: Temporal does not answer; the row stays as it is.
    """
    while True:
        generation = row.generation
        await session.commit()  # nothing was written since the row: the connection is free while Temporal is asked
        await client.put(timetable(row), set_state=row.state_asked or row.applied == 0 or lost)
        same = col(ScheduleRow.key) == row.key, col(ScheduleRow.generation) == generation
        values = {"applied": generation, "state_asked": False, "payload_key": client.payload_key}
        done = await session.execute(update(ScheduleRow).where(*same).values(values))
        await session.commit()
        await session.refresh(row)
        if getattr(done, "rowcount", 0) or row.deleting:
            return


def timetable(row: ScheduleRow) -> Timetable:
    """Return what Temporal's schedule is to be like."""
    return Timetable(
        id=row.id,
        tenant=row.tenant,
        workflow_id=row.workflow_uuid,
        metadata=row.metadata_,
        summary=row.name or row.id,
        spec=Spec.model_validate(row.spec),
        overlap=cast("Overlap", row.overlap),
        catchup_window=timedelta(seconds=row.catchup_window_seconds),
        pause_on_failure=row.pause_on_failure,
        paused=row.paused,
        note=row.note,
    )
