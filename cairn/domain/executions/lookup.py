"""Finding a checkpoint by its id alone: checkpoints are places in histories, and no table lists them."""

from __future__ import annotations

import asyncio

from sqlmodel import col

from cairn.domain.executions.model import CheckpointState
from cairn.domain.executions.service import ExecutionService
from cairn.errors import NotFound
from cairn.persistence.tables import ExecutionRow

SEARCHED = 100
"""So many executions are looked through, those that changed last."""

_AT_ONCE = 10


async def find_checkpoint(
    executions: ExecutionService, checkpoint_id: str, execution_id: str | None = None
) -> CheckpointState:
    """Return a checkpoint with the state at it.

    Args:
        executions: of the caller.
        checkpoint_id: the checkpoint.
        execution_id: where it is; without it the executions that changed last are looked through.

    Raises:
        NotFound: it is not there.
        Unavailable: Temporal does not answer.
    """
    if execution_id is None:
        execution_id = await _execution_with(executions, checkpoint_id)
    return await executions.checkpoint(execution_id, checkpoint_id)


async def _execution_with(executions: ExecutionService, checkpoint_id: str) -> str:
    latest = executions.rows.select(executions.principal.scope).order_by(col(ExecutionRow.updated_at).desc())
    rows = (await executions.session.execute(latest.limit(SEARCHED))).scalars().all()

    async def has(row: ExecutionRow) -> bool:
        now = await executions.temporal.describe(row.temporal_id)
        return now is not None and (await executions.temporal.project(now)).find(checkpoint_id) is not None

    for first in range(0, len(rows), _AT_ONCE):
        batch = rows[first : first + _AT_ONCE]
        found = await asyncio.gather(*(has(row) for row in batch))
        if True in found:
            return batch[found.index(True)].id
    hint = f" among the {SEARCHED} executions that changed last; name its execution_id" if len(rows) == SEARCHED else ""
    raise NotFound(f"No checkpoint {checkpoint_id!r}{hint}.", code="checkpoint_not_found")
