"""Lineage: every reset of an execution, whoever made it. History says that it was made, the database who asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cairn.contracts.resets import Compensated
from cairn.domain.executions.reset_records import resets_of
from cairn.domain.executions.service import ExecutionService
from cairn.persistence.tables import ExecutionRow, ResetRow
from cairn.temporal.checkpoints import Checkpoint
from cairn.temporal.events import Landed, WasReset
from cairn.temporal.executions import ExecutionClient

BY_HAND = "temporal"
"""Who made a reset with Temporal's own tools; its history does not say which operator it was."""


@dataclass(frozen=True, slots=True)
class LineageEntry:
    """One reset.

    Attributes:
        operation_id: of a replay or rollback; None when it was made with Temporal's own tools.
        kind: ``reset`` is one by Temporal's own tools.
        by: the user, or the key, that asked for it.
        checkpoint_id: where it went; its name is ``checkpoint_name``.
        from_run_id: the run that was reset.
        run_id: the run that the reset made.
        revision: the execution's revision when the reset had landed; None when it is not known any more.
        reason: what the operator gave as the reason.
        compensations: what became of the effects that it went back over, newest first.
        stopped: Temporal ids of the child executions that it stopped.
    """

    operation_id: str | None
    kind: Literal["replay", "rollback", "reset"]
    by: str
    at: datetime
    checkpoint_id: str | None
    checkpoint_name: str | None
    from_run_id: str
    run_id: str
    revision: int | None
    reason: str | None = None
    compensations: list[Compensated] = field(default_factory=list[Compensated])
    stopped: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where an execution comes from: ``resets`` are oldest first."""

    execution_id: str
    run_id: str | None
    forked_from_execution_id: str | None
    forked_from_checkpoint_id: str | None
    resets: list[LineageEntry]


async def lineage_of(executions: ExecutionService, execution_id: str) -> Lineage:
    """Return every reset of the execution.

    Raises:
        NotFound: no such execution.
        Unavailable: Temporal does not answer.
    """
    row = await executions.require(execution_id)
    made = {each.run_id: each for each in await resets_of(executions.session, row.temporal_id)}
    await executions.session.commit()  # nothing was written: the connection is free while Temporal is asked
    found = [
        await _entry(executions.temporal, row, reset, landed, made.pop(reset.new_run_id, None))
        for reset, landed in await _resets(executions.temporal, row.temporal_id)
    ]
    # What Temporal has forgotten since (retention), the database still knows.
    found += [_recorded(each, each.created_at, None) for each in made.values()]
    resets = sorted(found, key=lambda entry: entry.at)
    return Lineage(row.id, row.run_id, row.forked_from_execution_id, row.forked_from_checkpoint_id, resets)


async def _resets(temporal: ExecutionClient, temporal_id: str) -> list[tuple[WasReset, Landed | None]]:
    """Return the resets of all runs: those that Temporal lists, the present one, and those that they came from."""
    now = await temporal.describe(temporal_id)
    if now is None:
        return []
    due, seen = [now.run_id, *await temporal.reader.runs_of(temporal_id)], set[str]()
    found: list[tuple[WasReset, Landed | None]] = []
    while due:
        run_id = due.pop()
        if run_id in seen:
            continue
        seen.add(run_id)
        last = await temporal.reader.last_reset(temporal_id, run_id)
        if last is not None:
            found.append(last)
            due.append(last[0].base_run_id)
    return found


async def _entry(
    temporal: ExecutionClient, execution: ExecutionRow, reset: WasReset, landed: Landed | None, row: ResetRow | None
) -> LineageEntry:
    if row is not None:
        return _recorded(row, reset.at, landed)
    checkpoint = await _checkpoint(temporal, execution.temporal_id, reset)
    return LineageEntry(
        operation_id=None,
        kind="reset",
        by=BY_HAND,
        at=reset.at,
        checkpoint_id=checkpoint and checkpoint.id,
        checkpoint_name=checkpoint and checkpoint.name,
        from_run_id=reset.base_run_id,
        run_id=reset.new_run_id,
        revision=landed.landing.revision if landed is not None else None,
        reason=reset.reason,
    )


def _recorded(row: ResetRow, at: datetime, landed: Landed | None) -> LineageEntry:
    return LineageEntry(
        operation_id=row.operation_id,
        kind="replay" if row.kind == "replay" else "rollback",
        by=row.requested_by,
        at=at,
        checkpoint_id=row.checkpoint_id,
        checkpoint_name=row.checkpoint_name,
        from_run_id=row.base_run_id,
        run_id=row.run_id,
        revision=landed.landing.revision if landed is not None else row.revision or None,
        compensations=[Compensated.model_validate(each) for each in row.compensations],
        stopped=row.stopped,
    )


async def _checkpoint(temporal: ExecutionClient, temporal_id: str, reset: WasReset) -> Checkpoint | None:
    """Return the latest checkpoint that a reset kept."""
    run = await temporal.describe(temporal_id, reset.new_run_id)
    if run is None:
        return None
    every = (await temporal.project(run)).checkpoints
    kept = [each for each in every if each.run_id != reset.new_run_id or each.event_id < reset.id]
    return kept[-1] if kept else None
