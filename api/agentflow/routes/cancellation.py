"""Cancellation: what runs, and stopping it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api.agentflow.conventions import Error
from api.agentflow.schemas.cancellation import ActiveCalls, CancelledCall, CancelledCalls
from api.kit.auth import may
from api.kit.deps import Executions
from api.kit.links import makes
from api.kit.paging import Paged
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from cairn.domain.chat import active

router = APIRouter(prefix="/api/v1/cancel", tags=["cancellation"], route_class=SurfaceRoute)
READ, WRITE = may("executions:read"), may("executions:write")
ENDED: dict[int | str, dict[str, Any]] = {
    409: {"model": Error, "description": "It has ended otherwise (`execution_closed`)."}
}
Text = Annotated[str | None, Query(min_length=1, max_length=255)]


async def narrowed(agent_id: Text = None, conversation_id: Text = None) -> active.Narrowed:
    """Return what the query asks for; both filters hold at once."""
    return active.Narrowed(agent_id, conversation_id)


async def active_calls(executions: Executions) -> active.ActiveCalls:
    """Return what runs for the caller's tenant."""
    return active.ActiveCalls(executions)


Calls = Annotated[active.ActiveCalls, Depends(active_calls)]
Which = Annotated[active.Narrowed, Depends(narrowed)]


@router.get(
    "/active-calls",
    dependencies=[READ],
    openapi_extra=makes("call_id", "calls/0/call_id", task_id="calls/0/execution_id"),
)
async def list_active_calls(calls: Calls, which: Which, paged: Paged) -> ActiveCalls:
    """List turns and other executions that have not ended, newest first."""
    return ActiveCalls.of(await calls.list(which, paged.page, paged.page_size, paged.anchor))


@router.post("/all", dependencies=[WRITE])
async def cancel_all_calls(calls: Calls, which: Which, unit: Unit) -> CancelledCalls:
    """Cancel all turns and other executions that have not ended, or those that the filters leave."""
    await unit.commit()
    return CancelledCalls.of(await calls.cancel_all(which))


@router.post("/background-task/{task_id}", dependencies=[WRITE], responses=ENDED)
async def cancel_background_task(task_id: str, calls: Calls, unit: Unit) -> CancelledCall:
    """Cancel an execution that is no turn of a conversation; a turn is a 409 `not_a_background_task`."""
    await unit.commit()
    return CancelledCall.of(task_id, await calls.cancel(task_id, unit.operation_key, background=True))


@router.post("/{call_id}", dependencies=[WRITE], responses=ENDED)
async def cancel_call(call_id: str, calls: Calls, unit: Unit) -> CancelledCall:
    """Cancel a turn or another execution. A model that writes for it is stopped within two seconds."""
    await unit.commit()
    return CancelledCall.of(call_id, await calls.cancel(call_id, unit.operation_key))
