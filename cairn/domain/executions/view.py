"""From rows, descriptions and projections to what the surfaces show."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from cairn.contracts.executions import CLOSED, Phase
from cairn.contracts.json import Json, JsonObject
from cairn.domain.conversations.turns import turn_ended
from cairn.domain.executions import closing
from cairn.domain.executions.model import WAITING_FOR_TEMPORAL, Execution, ForkedFrom, Status, TemporalLink
from cairn.persistence.tables import ExecutionRow
from cairn.persistence.types import utc_now
from cairn.settings import Settings
from cairn.temporal.checkpoints import Projection
from cairn.temporal.executions import Description

_STATUSES: dict[str, Status] = {
    "pending": "running",
    "running": "running",
    "paused": "paused",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}


def ui_link(settings: Settings, namespace: str, temporal_id: str, run_id: str | None) -> str:
    """Return the execution's page in the Temporal Web UI."""
    base = (settings.temporal_ui_url or f"http://127.0.0.1:{settings.temporal_ui_port}").rstrip("/")
    page = f"{base}/namespaces/{namespace}/workflows/{temporal_id}"
    return f"{page}/{run_id}/history" if run_id else page


def of_row(row: ExecutionRow, settings: Settings, namespace: str) -> Execution:
    """Return what lists show: the row alone."""
    return Execution(
        id=row.id,
        workflow_id=row.workflow_uuid,
        version=row.version,
        status=_STATUSES[row.status],
        status_detail=WAITING_FOR_TEMPORAL if row.status == "pending" else row.status_detail,
        created_at=row.created_at,
        updated_at=row.updated_at,
        input_data=row.input_data,
        output_data=row.output_data,
        error=row.error,
        metadata=row.metadata_,
        revision=row.revision,
        parent_execution_id=row.parent_execution_id,
        usage=row.usage,
        temporal=TemporalLink(row.temporal_id, row.run_id, ui_link(settings, namespace, row.temporal_id, row.run_id)),
        forked_from=_forked_from(row),
    )


def _forked_from(row: ExecutionRow) -> ForkedFrom | None:
    if row.forked_from_execution_id is None or row.forked_from_checkpoint_id is None:
        return None
    return ForkedFrom(row.forked_from_execution_id, row.forked_from_checkpoint_id)


def told(row: ExecutionRow, now: Description, projection: Projection) -> JsonObject:
    """Return what Temporal says of the row's columns.

    Args:
        row: for what Temporal does not know.
        now: the execution as Temporal describes it.
        projection: of the described run.
    """
    engine = projection.engine
    return {
        "status": now.phase.value,
        "status_detail": now.detail if now.phase in (Phase.PAUSED, Phase.RUNNING) else None,
        # A run that a reset made is the row's from its landing on, which gives it its revision (see ``land``).
        "run_id": now.run_id if projection.landed_after_reset or not projection.resets else row.run_id,
        "revision": closing.revision(row, now, projection),
        "started": True,
        "closed_at": now.closed_at,
        "input_data": engine.state.input if engine.started else row.input_data,
        "output_data": _output(projection),
        "error": _error(projection),
        "usage": engine.state.usage.model_dump() if engine.started else None,
        # A migration moves an execution to another version, a reset may take it back.
        "version": engine.ref.version,
        "version_id": engine.ref.version_id,
    }


async def repair(session: AsyncSession, row: ExecutionRow, values: JsonObject) -> None:
    """Make the row say what it is told; that a turn of a conversation has ended is news of that, too."""
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    # When it ended, Temporal knows to the millisecond; that alone is no news for callers.
    if changed.keys() - {"closed_at"}:
        row.updated_at = utc_now()
    if changed.get("status") in CLOSED and row in session:
        await turn_ended(session, row)


def _output(projection: Projection) -> Json:
    closed = projection.closed
    return closed.result.output if closed is not None and closed.result is not None else None


def _error(projection: Projection) -> JsonObject | None:
    closed = projection.closed
    if closed is None or closed.phase is not Phase.FAILED:
        return None
    failure = projection.engine.failure
    if failure is not None:
        return failure.model_dump()
    cause = closed.error
    return {"code": getattr(cause, "type", None) or "error", "message": getattr(cause, "message", None) or str(cause)}
