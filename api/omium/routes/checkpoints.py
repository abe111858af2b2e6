"""Checkpoints: of an execution, and by their id alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.kit.auth import may
from api.kit.deps import Executions
from api.kit.route import SurfaceRoute
from api.omium.schemas.checkpoints import Checkpoint, CheckpointList, CheckpointState, StoredCheckpoint
from cairn.domain.executions.lookup import find_checkpoint

router = APIRouter(
    prefix="/api/v1", tags=["checkpoints"], route_class=SurfaceRoute, dependencies=[may("executions:read")]
)


@router.get("/executions/{execution_id}/checkpoints/{checkpoint_id}")
async def get_execution_checkpoint(execution_id: str, checkpoint_id: str, executions: Executions) -> CheckpointState:
    """Read what the execution knew at a checkpoint."""
    return CheckpointState.of(await executions.checkpoint(execution_id, checkpoint_id))


@router.get("/checkpoints", responses={404: {"description": "There is no such execution."}})
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


@router.get("/checkpoints/{checkpoint_id}")
async def get_checkpoint(
    checkpoint_id: str,
    executions: Executions,
    include_state: Annotated[bool, Query()] = False,
    execution_id: Annotated[str | None, Query(min_length=1, max_length=255)] = None,
) -> StoredCheckpoint:
    """Find a checkpoint by its id alone; `execution_id`, when it is given, must be that of its execution."""
    return StoredCheckpoint.of(await find_checkpoint(executions, checkpoint_id, execution_id), include_state)
