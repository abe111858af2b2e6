"""What a reset would come to, told before anybody makes it."""

from __future__ import annotations

from dataclasses import dataclass

from cairn.contracts.resets import Compensated, Undo
from cairn.domain.executions.discarded import discarded
from cairn.domain.executions.reset_records import undone_places
from cairn.domain.executions.service import ExecutionService, found
from cairn.temporal.checkpoints import Checkpoint
from cairn.temporal.impact import Effect, StoppedChild, Visit


@dataclass(frozen=True, slots=True)
class Impact:
    """What a reset to a checkpoint would come to at this moment.

    Attributes:
        runs_again: visits of nodes whose work is done again after the resume, oldest first.
        kept: visits in other branches of the same parallel whose results are kept, oldest first.
        effects: what happened outside after the checkpoint, or may have, in the execution and in the children that it
            started since, newest first.
        compensations: the undos that a rollback would make, in their order.
        not_undone: what a rollback could not undo, newest first.
        children: child executions that the reset would stop.
    """

    execution_id: str
    checkpoint: Checkpoint
    runs_again: list[Visit]
    kept: list[Visit]
    effects: list[Effect]
    compensations: list[Undo]
    not_undone: list[Compensated]
    children: list[StoppedChild]


async def impact_of(
    executions: ExecutionService, execution_id: str, checkpoint_id: str, *, reuse_completed: bool
) -> Impact:
    """Return what a reset to the checkpoint would come to; nothing is changed.

    Raises:
        NotFound: no such execution, or its line has no such checkpoint (any more).
        Unavailable: Temporal does not answer.
    """
    row, now = await executions.located(execution_id)
    checkpoint = found(await executions.temporal.project(now), checkpoint_id)
    after = await executions.temporal.aftermath(now, checkpoint)
    gone = await discarded(executions.session, executions.temporal, after, reuse_completed=reuse_completed)
    steps = gone.steps
    undone = await undone_places(executions.session, row.temporal_id, steps)
    return Impact(
        execution_id=row.id,
        checkpoint=checkpoint,
        runs_again=after.runs_again(reuse_completed=reuse_completed),
        kept=after.kept() if reuse_completed else [],
        effects=gone.effects,
        compensations=[step.undo for step in steps if step.undo is not None and step.undo.place not in undone],
        not_undone=[step.outcome for step in steps if step.outcome is not None],
        children=after.stopped_children(),
    )
