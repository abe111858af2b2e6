"""What an execution's workflow asks of the domain: landing, and telling lists of each change of state."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.executions import GraphRef, Phase
from cairn.contracts.json import JsonObject
from cairn.contracts.operations import ENGINE, Landing, LandRequest, Record
from cairn.domain.conversations.turns import turn_ended
from cairn.domain.executions.children import add_child
from cairn.domain.graphs.pinned import load_definition
from cairn.domain.graphs.pins import pins_of
from cairn.domain.requests.workflow_side import cancel_requests
from cairn.graph.nodes.voice import START_CALL
from cairn.persistence.repository import Scope
from cairn.persistence.tables import ExecutionRow, GraphRow
from cairn.persistence.types import utc_now
from cairn.temporal.executions import ExecutionClient

CLOSED = (Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED)


async def land(session: AsyncSession, temporal: ExecutionClient, request: LandRequest, run_id: str) -> Landing:
    """Tell the workflow in which run it stands, and the revision that it has there.

    The revision is one more than that of the run which was reset, told by Temporal, or than the row's if that is
    later (an operator may reset to an older run of the execution). It is the row's when the row is of this run already:
    then a worker had landed it, and died before Temporal heard of it.

    Raises:
        NotFound: the pinned version is gone.
        Conflict: its definition is not the one that was started.
    """
    landing = Landing(run_id=run_id, engine=min(request.engine, ENGINE))
    row = await row_of(session, request.temporal_id)
    if row is None and request.start is not None and request.start.parent is not None:
        row = await add_child(session, request.temporal_id, request.start, request.start.parent, run_id)
    if (graph := request.graph) is not None:
        landing.definition = await load_definition(session, graph.version_id, graph.digest, graph.body)
        landing.pins = await _pins(session, request, landing.definition, row)
        landing.configuration = await _configuration(session, graph, landing.definition)
    if run_id == request.original_run_id:
        return landing
    landing.reset = True
    if row is not None and row.run_id == run_id:
        landing.revision = row.revision
        return landing
    base = await temporal.reader.base_of(request.temporal_id, run_id)
    before = await temporal.describe(request.temporal_id, base) if base else None
    await cancel_requests(session, request.temporal_id, keep=run_id)
    revisions = [before.revision if before else 0, row.revision if row else 0]
    landing.revision = max(revisions) + 1
    return landing


async def _configuration(session: AsyncSession, graph: GraphRef, definition: JsonObject) -> JsonObject | None:
    """Return the configuration of a voice graph, as it is when its call begins."""
    if not any(node["type"] == START_CALL for node in definition["nodes"]):
        return None
    query = select(col(GraphRow.configuration)).where(col(GraphRow.uuid) == graph.workflow_id)
    return (await session.execute(query)).scalar_one_or_none()


async def _pins(
    session: AsyncSession, request: LandRequest, definition: JsonObject, row: ExecutionRow | None
) -> dict[str, GraphRef]:
    """Return the versions that the execution's children run; those of its first landing, also after a reset to it."""
    if not request.pin or row is None:
        return {}
    if row.pins is not None:
        return {name: GraphRef.model_validate(ref) for name, ref in row.pins.items()}
    pins = await pins_of(session, Scope(row.tenant, row.live), definition)
    if pins:
        row.pins = {name: ref.model_dump() for name, ref in pins.items()}
    return pins


async def record(session: AsyncSession, told: Record) -> None:
    """Write into the row what the workflow tells; what an older line tells late is ignored.

    Of one run the last word counts, at whatever revision: a workflow task that was lost may have told of a command that
    then never was.
    """
    row = await row_of(session, told.temporal_id, lock=True)
    if row is None or (told.run_id != row.run_id and told.revision < row.revision):
        return
    row.status = told.phase.value
    row.status_detail = None if told.phase in CLOSED else told.detail
    row.run_id, row.revision, row.started = told.run_id, told.revision, True
    row.output_data = told.output
    row.error = told.error.model_dump() if told.error else None
    row.usage = told.usage.model_dump() if told.usage else None
    row.updated_at = utc_now()
    row.closed_at = row.updated_at if told.phase in CLOSED else None
    if told.phase in CLOSED:
        await cancel_requests(session, told.temporal_id)
        await turn_ended(session, row)


async def row_of(session: AsyncSession, temporal_id: str, *, lock: bool = False) -> ExecutionRow | None:
    """Return the row of the workflow. Not by tenant: the workflow itself asks."""
    query = select(ExecutionRow).where(col(ExecutionRow.temporal_id) == temporal_id)
    if lock:
        query = query.with_for_update()
    return (await session.execute(query)).scalar_one_or_none()
