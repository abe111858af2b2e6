"""What an execution's workflow asks of the domain: landing, and telling lists of each change of state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, CursorResult, bindparam, case, exists, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.executions import CLOSED, GraphRef, Phase
from cairn.contracts.json import JsonObject
from cairn.contracts.operations import ENGINE, Landing, LandRequest, Record
from cairn.domain.conversations.turns import SURFACE, turn_ended
from cairn.domain.executions.children import add_child
from cairn.domain.graphs.pinned import load_definition
from cairn.domain.graphs.pins import pins_of
from cairn.domain.requests.workflow_side import cancel_requests
from cairn.graph.nodes.voice import START_CALL
from cairn.graph.references import graphs_named
from cairn.persistence.first_write import ALONE
from cairn.persistence.postgresql import UNHURRIED
from cairn.persistence.repository import Scope
from cairn.persistence.tables import ExecutionRow, GraphRow, RequestRow
from cairn.persistence.types import utc_now
from cairn.temporal.executions import ExecutionClient

_ROWS = ExecutionRow.metadata.tables["executions"]
_asked = exists().where(col(RequestRow.temporal_id) == _ROWS.c.temporal_id, col(RequestRow.status) == "pending")
# Made once, and of the table: to make it costs more than to carry it out. It sets the columns that it is given.
_TELL = update(_ROWS).where(
    _ROWS.c.temporal_id == bindparam("of"),
    or_(_ROWS.c.run_id == bindparam("by"), _ROWS.c.revision <= bindparam("at")),
    # With the end of others, more than the row is to be written.
    or_(bindparam("goes_on", type_=Boolean), (_ROWS.c.surface != SURFACE) & ~_asked),
)
# An accident of the database that loses it is no harm: open rows are repaired by what Temporal says. Of one that has
# ended nobody asks Temporal again: that a reset has opened it may not be lost.
_CLOSED = _ROWS.c.status.in_([phase.value for phase in CLOSED])
_TELLS = {"sqlite": _TELL, "postgresql": _TELL.where(case((_CLOSED, true()), else_=UNHURRIED))}


async def land(session: AsyncSession, temporal: ExecutionClient, request: LandRequest, run_id: str) -> Landing:
    """Tell the workflow in which run it stands, and the revision that it has there.

    The revision is one more than that of the line which was reset, told by Temporal, or than the row's if that is
    later (an operator may reset to an older run of the execution). It is the row's when the row is of this run already:
    then a worker had landed it, and died before Temporal heard of it.

    Raises:
        NotFound: the pinned version is gone.
        Conflict: its definition is not the one that was started.
    """
    landing = Landing(run_id=run_id, engine=min(request.engine, ENGINE))
    if (graph := request.graph) is not None:
        landing.definition = await load_definition(session, graph.version_id, graph.digest, graph.body)
        landing.configuration = await _configuration(session, graph, landing.definition)
    pinning = request.pin and landing.definition is not None and bool(graphs_named(landing.definition))
    if run_id == request.original_run_id and request.start is None and not pinning:
        return landing  # nothing of the row is asked for
    row = await row_of(session, request.temporal_id)
    if row is None and request.start is not None and request.start.parent is not None:
        row = await add_child(session, request.temporal_id, request.start, request.start.parent, run_id)
    if pinning:
        landing.pins = await _pins(session, landing.definition, row)
    if run_id == request.original_run_id:
        return landing
    landing.reset = True
    reset = await temporal.reader.reset_of(request.temporal_id, run_id)
    landing.cancelled = reset is not None and reset.cancelled
    if row is not None and row.run_id == run_id:
        landing.revision = row.revision
        return landing
    # Commands may have come in runs that the one which was reset went on in, and the row may have lost them.
    last = await temporal.reader.newest(request.temporal_id, reset.base_run_id) if reset else None
    before = await temporal.describe(request.temporal_id, last) if last else None
    await cancel_requests(session, request.temporal_id, keep=run_id)
    revisions = [before.revision if before else 0, row.revision if row else 0]
    landing.revision = max(revisions) + 1
    if row is not None and row.status in CLOSED:
        _reopen(row, run_id, landing.revision)
    return landing


def _reopen(row: ExecutionRow, run_id: str, revision: int) -> None:
    """Have the row of an execution that had ended say that a reset has opened it.

    What the run tells next may be lost (see ``record``). Open rows are compared with Temporal, closed ones are not.
    """
    row.status, row.run_id, row.revision = Phase.PAUSED.value, run_id, revision
    row.output_data = row.error = row.closed_at = None
    row.updated_at = utc_now()


async def _configuration(session: AsyncSession, graph: GraphRef, definition: JsonObject) -> JsonObject | None:
    """Return the configuration of a voice graph, as it is when its call begins."""
    if not any(node["type"] == START_CALL for node in definition["nodes"]):
        return None
    query = select(col(GraphRow.configuration)).where(col(GraphRow.uuid) == graph.workflow_id)
    return (await session.execute(query)).scalar_one_or_none()


async def _pins(session: AsyncSession, definition: JsonObject | None, row: ExecutionRow | None) -> dict[str, GraphRef]:
    """Return the versions that the execution's children run; those of its first landing, also after a reset to it."""
    if definition is None or row is None:
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
    values = _values(told)
    of = {"of": told.temporal_id, "by": told.run_id, "at": told.revision, "goes_on": told.phase not in CLOSED}
    tell = _TELLS[session.get_bind().dialect.name]
    written = await session.execute(tell, {**of, **values}, execution_options=ALONE)
    if not (isinstance(written, CursorResult) and written.rowcount):
        await _record_end(session, told, values)


async def _record_end(session: AsyncSession, told: Record, values: Mapping[str, Any]) -> None:
    """Write the end of an execution with what else ends with it: requests to people, the turn of a conversation."""
    row = await row_of(session, told.temporal_id, lock=True)
    if row is None or (told.run_id != row.run_id and told.revision < row.revision):
        return
    for name, value in values.items():
        setattr(row, name, value)
    if told.phase in CLOSED:
        await cancel_requests(session, told.temporal_id)
        await turn_ended(session, row)


def _values(told: Record) -> dict[str, Any]:
    """Return the columns that the workflow's word is about."""
    closed, now = told.phase in CLOSED, utc_now()
    return {
        "status": told.phase.value,
        "status_detail": None if closed else told.detail,
        "run_id": told.run_id,
        "revision": told.revision,
        "started": True,
        "output_data": told.output,
        "error": told.error.model_dump() if told.error else None,
        "usage": told.usage.model_dump() if told.usage else None,
        "updated_at": now,
        "closed_at": now if closed else None,
    }


async def row_of(session: AsyncSession, temporal_id: str, *, lock: bool = False) -> ExecutionRow | None:
    """Return the row of the workflow. Not by tenant: the workflow itself asks."""
    query = select(ExecutionRow).where(col(ExecutionRow.temporal_id) == temporal_id)
    if lock:
        query = query.with_for_update()
    return (await session.execute(query)).scalar_one_or_none()
