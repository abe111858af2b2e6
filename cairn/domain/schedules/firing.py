"""What a firing's workflow asks of the domain."""

from __future__ import annotations

from datetime import UTC

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.executions import Phase
from cairn.contracts.schedules import FiringRequest, ScheduledExecution, scheduled_execution_id
from cairn.domain.executions.model import StartExecution
from cairn.domain.executions.service import ExecutionService
from cairn.domain.executions.start import execution_input
from cairn.domain.principal import Principal
from cairn.errors import NotFound
from cairn.persistence.tables import ExecutionRow, ScheduleRow
from cairn.persistence.types import utc_now
from cairn.settings import Settings
from cairn.temporal.executions import ExecutionClient

SCHEDULE_ID = "schedule_id"
SCHEDULED_AT = "scheduled_at"
"""What is added to the metadata of a schedule's executions."""


async def prepare(
    session: AsyncSession, temporal: ExecutionClient, settings: Settings, request: FiringRequest
) -> ScheduledExecution:
    """Insert the execution's row, once however often it is asked; the version is the one that is published now.

    Raises:
        NotFound: the schedule or its graph is gone.
        Conflict: the graph is archived, has no published version or cannot be run.
        InvalidInput: the input breaks the schema of the version.
    """
    row = await _schedule(session, request.schedule_id)
    principal = Principal(row.tenant, row.live, frozenset(), row.created_by, "service", row.id)
    at = request.nominal_time.astimezone(UTC).isoformat().replace("+00:00", "Z")
    command = StartExecution(
        workflow_id=row.workflow_uuid,
        input_data=row.input_data,
        metadata={**row.metadata_, SCHEDULE_ID: row.id, SCHEDULED_AT: at},
        surface="omium",
    )
    service = ExecutionService(session, temporal, principal, settings)
    execution = await service.create(command, scheduled_execution_id(request.firing_id), by_itself=True)
    start, name = await execution_input(session, execution)
    return ScheduledExecution(temporal_id=execution.temporal_id, start=start, summary=f"{name} v{start.graph.version}")


async def discard(session: AsyncSession, temporal_id: str) -> None:
    """Let an execution that was never started be a cancelled one."""
    pending = col(ExecutionRow.temporal_id) == temporal_id, col(ExecutionRow.status) == "pending"
    values = {"status": Phase.CANCELLED.value, "closed_at": utc_now(), "updated_at": utc_now()}
    await session.execute(update(ExecutionRow).where(*pending).values(values))


async def _schedule(session: AsyncSession, schedule_id: str) -> ScheduleRow:
    """Return the row. Not by tenant: the schedule itself asks."""
    there = col(ScheduleRow.id) == schedule_id, col(ScheduleRow.deleting).is_(False)
    row = (await session.execute(select(ScheduleRow).where(*there))).scalar_one_or_none()
    if row is None:
        raise NotFound("The schedule is gone", code="schedule_not_found")
    return row
