"""Replay, rollback and fork: from a checkpoint on."""

from __future__ import annotations

from fastapi import APIRouter

from api.kit.auth import may
from api.kit.deps import Executions, Resets
from api.kit.links import makes
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from api.omium.schemas.executions import Execution, Replay, ReplayReply, Rollback, RollbackReply
from api.omium.schemas.resets import ForkExecution
from cairn.domain.executions import model
from cairn.domain.executions.fork import fork

router = APIRouter(
    prefix="/api/v1/executions/{execution_id}",
    tags=["resets"],
    route_class=SurfaceRoute,
    dependencies=[may("executions:write")],
)


@router.post(
    "/fork",
    status_code=201,
    response_model=Execution,
    responses={
        404: {"description": "There is no such execution or checkpoint."},
        409: {"description": "The execution has not started, or the new id is taken."},
    },
    openapi_extra=makes("execution_id"),
)
async def fork_execution(execution_id: str, body: ForkExecution, executions: Executions, unit: Unit) -> model.Execution:
    """Start a new execution from what this one knew at a checkpoint; this one goes on untouched."""
    await unit.commit()
    row = await fork(executions, execution_id, body.command(), unit.resource_id)
    await unit.commit(resource_id=row.id)
    return await executions.start(row)


@router.post("/replay")
async def replay_execution(execution_id: str, body: Replay, resets: Resets, unit: Unit) -> ReplayReply:
    """Go back to a checkpoint and run on.

    Answers when the reset has landed. After 30 seconds without a worker it is a 503, and the reset stays queued: the
    same request joins it.
    """
    await unit.commit(resource_id=execution_id)
    command = body.command("replay", force=body.force)
    made = await resets.reset(execution_id, command, unit.operation_key, again=unit.again)
    return ReplayReply.of(made.execution, f"Execution replayed from {body.target}")


@router.post("/rollback")
async def rollback_execution(execution_id: str, body: Rollback, resets: Resets, unit: Unit) -> RollbackReply:
    """Go back to a checkpoint and stay paused; later checkpoints, the output and the error are gone.

    The compensations that nodes declare are carried out first, newest effect first; the reply says what became of each.
    """
    await unit.commit(resource_id=execution_id)
    made = await resets.reset(execution_id, body.command("rollback"), unit.operation_key, again=unit.again)
    return RollbackReply.made(made, f"Execution rolled back to {body.target}")
