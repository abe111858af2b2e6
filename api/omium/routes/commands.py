"""Commands to an execution: pause, resume, cancel. One that is already so stays as it is."""

from __future__ import annotations

from fastapi import APIRouter

from api.kit.auth import may
from api.kit.deps import Executions
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from api.omium.schemas.executions import Command, ExecutionDetail, Migration
from cairn.domain.executions import model
from cairn.domain.executions.migrate import migrate

router = APIRouter(
    prefix="/api/v1/executions/{execution_id}",
    tags=["commands"],
    route_class=SurfaceRoute,
    dependencies=[may("executions:write")],
)
NO_CONDITION = Command()


@router.post("/pause", response_model=ExecutionDetail)
async def pause_execution(
    execution_id: str, executions: Executions, unit: Unit, body: Command = NO_CONDITION
) -> model.Execution:
    """Stop before the next node; what is in flight ends and is kept."""
    await unit.commit()
    return await executions.pause(execution_id, body.expected_revision, unit.operation_key)


@router.post("/resume", response_model=ExecutionDetail)
async def resume_execution(
    execution_id: str, executions: Executions, unit: Unit, body: Command = NO_CONDITION
) -> model.Execution:
    """Go on."""
    await unit.commit()
    return await executions.resume(execution_id, body.expected_revision, unit.operation_key)


@router.post("/cancel", response_model=ExecutionDetail)
async def cancel_execution(
    execution_id: str, executions: Executions, unit: Unit, body: Command = NO_CONDITION
) -> model.Execution:
    """End the execution as cancelled; what is in flight is cancelled too."""
    await unit.commit()
    return await executions.cancel(execution_id, body.expected_revision, unit.operation_key)


@router.post("/migrate", response_model=ExecutionDetail)
async def migrate_execution(execution_id: str, body: Migration, executions: Executions, unit: Unit) -> model.Execution:
    """Have a paused execution go on by another version of its graph; 409 when it stands at a node that is gone."""
    await unit.commit()
    return await migrate(executions, execution_id, body.version, body.expected_revision, unit.operation_key)
