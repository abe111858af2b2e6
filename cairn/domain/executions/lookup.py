"""Finding a checkpoint by its id alone: the id begins with the tag of its execution."""

from __future__ import annotations

import re

from sqlmodel import col

from cairn.domain.executions.model import CheckpointState
from cairn.domain.executions.service import ExecutionService
from cairn.errors import NotFound
from cairn.persistence.tables import ExecutionRow

_ID = re.compile(r"chk_([0-9a-f]{16})[0-9a-f]{16}")


async def find_checkpoint(
    executions: ExecutionService, checkpoint_id: str, execution_id: str | None = None
) -> CheckpointState:
    """Return a checkpoint with the state at it.

    Args:
        executions: of the caller.
        checkpoint_id: the checkpoint.
        execution_id: where it is, if the caller knows.

    Raises:
        NotFound: it is not there.
        Unavailable: Temporal does not answer.
    """
    if execution_id is None:
        tagged = _ID.fullmatch(checkpoint_id)
        tag = col(ExecutionRow.tag) == (tagged.group(1) if tagged else "")
        row = await executions.rows.get(executions.principal.scope, tag)
        if row is None:
            raise NotFound(f"No checkpoint {checkpoint_id!r}", code="checkpoint_not_found")
        execution_id = row.id
    return await executions.checkpoint(execution_id, checkpoint_id)
