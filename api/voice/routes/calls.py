"""Triggers: starting a graph by its public path."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path

from api.kit.auth import may
from api.kit.deps import Executions
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from api.voice.schemas.calls import CallStarted, StartCall
from cairn.domain.calls.triggers import Dial, create_by_trigger, name_of

router = APIRouter(prefix="/api/v1/public/agent", tags=["calls"], route_class=SurfaceRoute)

TriggerPath = Annotated[str, Path(max_length=36, description="Of the graph's trigger node.")]
Started = Annotated[StartCall, Body(default_factory=StartCall)]
_REFUSED: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such trigger."},
    409: {"description": "The trigger is disabled, the workflow is archived, or no version of it is published."},
}


@router.post("/{trigger_path}", dependencies=[may("executions:write")], responses=_REFUSED)
async def start_call(trigger_path: TriggerPath, body: Started, executions: Executions, unit: Unit) -> CallStarted:
    """Start an execution of the published version of the graph that has this trigger."""
    return await _start(body.dial(trigger_path), executions, unit)


@router.post("/test/{trigger_path}", dependencies=[may("executions:write")], responses=_REFUSED)
async def start_test_call(trigger_path: TriggerPath, body: Started, executions: Executions, unit: Unit) -> CallStarted:
    """Start an execution of the graph's draft, as it is now; of the published version when there is no draft."""
    return await _start(body.dial(trigger_path, draft=True), executions, unit)


async def _start(dial: Dial, executions: Executions, unit: Unit) -> CallStarted:
    row = await create_by_trigger(executions, dial, unit.resource_id)
    name = await name_of(executions, row)
    await unit.commit(resource_id=row.id)
    await executions.start(row)
    return CallStarted(workflow_run_id=row.id, workflow_run_name=name)
