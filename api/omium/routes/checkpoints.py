"""Checkpoints: of an execution, and by their id alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.kit.auth import may
from api.kit.deps import Executions
from api.kit.route import SurfaceRoute
from api.omium.refusals import NOT_STARTED
from api.omium.schemas.checkpoints import Checkpoint, CheckpointList, CheckpointState, StoredCheckpoint
from api.omium.schemas.resets import Impact, Lineage
from cairn.domain.executions import lineage
from cairn.domain.executions.comparison import compare
from cairn.domain.executions.impact import impact_of
from cairn.domain.executions.lookup import find_checkpoint

router = APIRouter(
    prefix="/api/v1", tags=["checkpoints"], route_class=SurfaceRoute, dependencies=[may("executions:read")]
)


@router.get("/executions/{execution_id}/checkpoints/{checkpoint_id}", responses=NOT_STARTED)
async def get_execution_checkpoint(
    execution_id: str,
    checkpoint_id: str,
    executions: Executions,
    diff: Annotated[
        str | None, Query(min_length=1, max_length=255, description="Id of another checkpoint to compare with.")
    ] = None,
) -> CheckpointState:
    """Read what the execution knew at a checkpoint; `diff` adds how another checkpoint differs from it."""
    known = await executions.checkpoint(execution_id, checkpoint_id)
    difference = await compare(executions, known, diff) if diff is not None else None
    return CheckpointState.of(known, difference)


@router.get("/executions/{execution_id}/checkpoints/{checkpoint_id}/impact", responses=NOT_STARTED)
async def get_impact(
    execution_id: str,
    checkpoint_id: str,
    executions: Executions,
    reuse_completed: Annotated[bool, Query(description="As of the reset that is considered.")] = True,
) -> Impact:
    """Read what a reset to the checkpoint would come to at this moment. Nothing is changed."""
    return Impact.of(await impact_of(executions, execution_id, checkpoint_id, reuse_completed=reuse_completed))


@router.get("/executions/{execution_id}/lineage", response_model=Lineage, responses=NOT_STARTED)
async def get_lineage(execution_id: str, executions: Executions) -> lineage.Lineage:
    """List every reset of the execution, oldest first, those by Temporal's own tools included."""
    return await lineage.lineage_of(executions, execution_id)


@router.get("/checkpoints", responses={404: {"description": "There is no such execution."}, **NOT_STARTED})
async def list_checkpoints(
    executions: Executions,
    execution_id: Annotated[str, Query(min_length=1, max_length=255)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> CheckpointList:
    """List the checkpoints of an execution, oldest first."""
    found, total = await executions.checkpoints(execution_id, limit, offset)
    checkpoints = [Checkpoint.model_validate(checkpoint) for checkpoint in found]
    return CheckpointList(checkpoints=checkpoints, total=total, limit=limit, offset=offset)


@router.get("/checkpoints/{checkpoint_id}", responses=NOT_STARTED)
async def get_checkpoint(
    checkpoint_id: str,
    executions: Executions,
    include_state: Annotated[bool, Query()] = False,
    execution_id: Annotated[str | None, Query(min_length=1, max_length=255)] = None,
) -> StoredCheckpoint:
    """Find a checkpoint by its id alone; `execution_id`, when it is given, must be that of its execution."""
    return StoredCheckpoint.of(await find_checkpoint(executions, checkpoint_id, execution_id), include_state)
