"""The difference of two checkpoints: of what was known, as a JSON Patch, and the nodes that completed between them."""

from __future__ import annotations

from dataclasses import dataclass

import jsonpatch

from cairn.contracts.json import JsonObject
from cairn.domain.executions.model import CheckpointState
from cairn.domain.executions.service import ExecutionService, found
from cairn.temporal.impact import Visit


@dataclass(frozen=True, slots=True)
class Difference:
    """From one checkpoint to another.

    Attributes:
        patch: RFC 6902 operations that make {input, state, outputs} at the one into those at the other.
        completed: visits of nodes that completed between them, oldest first, whichever of both is the later.
    """

    from_id: str
    to_id: str
    patch: list[JsonObject]
    completed: list[Visit]


async def compare(executions: ExecutionService, one: CheckpointState, other_id: str) -> Difference:
    """Return the difference of a checkpoint's state to another checkpoint of the same execution.

    Raises:
        NotFound: the execution's line has no such checkpoint.
        Unavailable: Temporal does not answer.
    """
    other = await executions.checkpoint(one.execution_id, other_id)
    _, now = await executions.located(one.execution_id)
    projection = await executions.temporal.project(now)
    # Read anew: a reset may have come since the first was read.
    first, last = sorted((found(projection, each.checkpoint.id) for each in (one, other)), key=lambda each: each.step)
    after = await executions.temporal.aftermath(now, first)
    patch = jsonpatch.make_patch(_known(one), _known(other)).patch
    return Difference(one.checkpoint.id, other_id, patch, after.completed_until(last))


def _known(at: CheckpointState) -> JsonObject:
    return {"input": at.input, "state": at.state, "outputs": at.outputs}
