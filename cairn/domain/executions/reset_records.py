"""What resets leave in the database: who made them, and which effects were undone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.operations import ResumeAfterReset
from cairn.contracts.resets import Compensated, ResetOutcome, ResetRequest, RollbackStep, Undo
from cairn.persistence.repository import insert_into
from cairn.persistence.tables import CompensationRow, ResetRow
from cairn.persistence.types import utc_now

_NAMES = 500
_EFFECT = ["temporal_id", "lineage", "node_id", "visit"]


async def was_undone(session: AsyncSession, request: ResetRequest, undo: Undo) -> bool:
    """Whether a rollback has undone the effect already."""
    row = await _compensation(session, request, undo)
    return row is not None and row.status == "done"


async def undone_places(session: AsyncSession, temporal_id: str, steps: Sequence[RollbackStep]) -> set[str]:
    """Return what was undone already of the effects of an execution, and of those below it (see ``Undo.place``)."""
    names = list({step.undo.temporal_id or temporal_id for step in steps if step.undo is not None})
    found: set[str] = set()
    for first in range(0, len(names), _NAMES):
        done = (
            col(CompensationRow.temporal_id).in_(names[first : first + _NAMES]),
            col(CompensationRow.status) == "done",
        )
        rows = (await session.execute(select(CompensationRow).where(*done))).scalars()
        found |= {f"{row.lineage}/{row.node_id}/{row.visit}" for row in rows}
    return found


async def note_compensation(
    session: AsyncSession, request: ResetRequest, undo: Undo, error: str | None = None
) -> Compensated:
    """Keep what became of an undo; one that is done stays done."""
    status = "failed" if error else "done"
    # Two tries of one undo may come at once: the second finds the row of the first, and waits until it is written.
    noted = insert_into(session, CompensationRow).values(
        tenant=request.tenant,
        live=request.live,
        temporal_id=undo.temporal_id or request.temporal_id,
        lineage=undo.lineage,
        node_id=undo.node_id,
        visit=undo.visit,
        operation_id=request.operation_id,
        tool=undo.tool,
        status=status,
        error=error,
        created_at=utc_now(),
    )
    await session.execute(noted.on_conflict_do_nothing(index_elements=_EFFECT))
    row = await _compensation(session, request, undo, lock=True)
    assert row is not None
    if row.status != "done":
        row.status, row.error = status, error
        row.operation_id, row.tool = request.operation_id, undo.tool
    return Compensated(
        node_id=undo.node_id,
        visit=undo.visit,
        name=undo.name,
        tool=undo.tool,
        status="done" if row.status == "done" else "failed",
        error=row.error,
        execution_id=undo.execution_id,
    )


async def note_reset(session: AsyncSession, made: ResumeAfterReset, outcome: ResetOutcome | None = None) -> None:
    """Keep that a reset was made, and, once it has landed, at which revision."""
    request = made.request
    noted = insert_into(session, ResetRow).values(
        tenant=request.tenant,
        live=request.live,
        operation_id=request.operation_id,
        temporal_id=request.temporal_id,
        kind=request.kind,
        checkpoint_id=request.checkpoint_id,
        checkpoint_name=request.checkpoint_name,
        base_run_id=request.run_id or request.base_run_id,
        run_id=made.run_id,
        revision=0,
        requested_by=request.requested_by,
        compensations=[each.model_dump() for each in made.compensations],
        stopped=made.stopped,
        created_at=utc_now(),
    )
    await session.execute(noted.on_conflict_do_nothing(index_elements=["operation_id"]))
    if outcome is not None:
        landed = update(ResetRow).where(col(ResetRow.operation_id) == request.operation_id)
        await session.execute(landed.values(revision=outcome.revision))


async def resets_of(session: AsyncSession, temporal_id: str) -> Sequence[ResetRow]:
    """Return the resets of an execution that were made by Cairn, oldest first. Whoever asks may see the execution."""
    query = select(ResetRow).where(col(ResetRow.temporal_id) == temporal_id).order_by(col(ResetRow.created_at))
    return (await session.execute(query)).scalars().all()


async def compensations_of(session: AsyncSession, operation_id: str) -> list[Compensated]:
    """Return what became of the effects that a reset went back over; empty when it is not known."""
    row = await session.get(ResetRow, operation_id)
    return [] if row is None else [Compensated.model_validate(each) for each in row.compensations]


async def _compensation(
    session: AsyncSession, request: ResetRequest, undo: Undo, *, lock: bool = False
) -> CompensationRow | None:
    query = select(CompensationRow).where(
        col(CompensationRow.temporal_id) == (undo.temporal_id or request.temporal_id),
        col(CompensationRow.lineage) == undo.lineage,
        col(CompensationRow.node_id) == undo.node_id,
        col(CompensationRow.visit) == undo.visit,
    )
    return (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
