"""Executions: list, start, read, change."""

from __future__ import annotations

from fastapi import APIRouter

from api.kit.auth import may
from api.kit.deps import Executions
from api.kit.links import lists, makes
from api.kit.paging import Paged
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from api.omium.filters import METADATA_PARAMETER, Filtered
from api.omium.schemas.executions import (
    CreateExecution,
    Execution,
    ExecutionDetail,
    ExecutionList,
    PatchExecution,
    execution_list,
)
from cairn.domain.executions import model

router = APIRouter(prefix="/api/v1/executions", tags=["executions"], route_class=SurfaceRoute)


@router.get("", dependencies=[may("executions:read")], openapi_extra={"parameters": [METADATA_PARAMETER]})
async def list_executions(executions: Executions, which: Filtered, paged: Paged) -> ExecutionList:
    """List executions, newest first. All filters hold at once."""
    return execution_list(await executions.list(which, paged.page, paged.page_size, paged.anchor))


@router.post(
    "",
    status_code=201,
    response_model=Execution,
    dependencies=[may("executions:write")],
    responses={
        404: {"description": "There is no such workflow."},
        409: {"description": "No version of the workflow is published, or the id is taken."},
    },
    openapi_extra=makes("execution_id"),
)
async def create_execution(body: CreateExecution, executions: Executions, unit: Unit) -> model.Execution:
    """Start an execution of a published graph.

    With Temporal unreachable it is accepted all the same (`status_detail` "waiting for Temporal") and starts when
    Temporal is back.
    """
    row = await executions.create(body.command(), unit.resource_id, alone=unit.alone)
    await unit.commit(resource_id=row.id)
    return await executions.start(row)


@router.get(
    "/{execution_id}",
    response_model=ExecutionDetail,
    dependencies=[may("executions:read")],
    openapi_extra=lists("checkpoint_id", "checkpoints"),
)
async def get_execution(execution_id: str, executions: Executions) -> model.Execution:
    """Read an execution with its checkpoints, as Temporal has it at this moment."""
    return await executions.get(execution_id)


@router.patch(
    "/{execution_id}",
    response_model=ExecutionDetail,
    dependencies=[may("executions:write")],
    responses={409: {"description": "It is not paused, or not at the expected revision."}},
)
async def patch_execution(execution_id: str, body: PatchExecution, executions: Executions) -> model.Execution:
    """Change the input or the state of a paused execution by merge patches."""
    return await executions.patch(execution_id, body.input_patch, body.state_patch, body.expected_revision)
