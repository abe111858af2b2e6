"""Events of an execution as they happen, and those that come from outside."""

from __future__ import annotations

from fastapi import APIRouter
from sse_starlette import EventSourceResponse

from api.kit.auth import may
from api.kit.deps import Executions
from api.kit.route import SurfaceRoute
from api.kit.sse import LastEventId, stream, streams
from api.kit.unit_of_work import Unit
from api.omium.schemas.events import Event, EventAccepted, SendEvent, server_sent
from cairn.domain.executions.outside import send_event

router = APIRouter(prefix="/api/v1/executions/{execution_id}", tags=["events"], route_class=SurfaceRoute)


@router.get(
    "/events",
    response_class=EventSourceResponse,
    responses=streams(Event, "The past events first, then each as it happens; ends after a terminal status."),
    dependencies=[may("executions:read")],
)
async def stream_events(
    execution_id: str, executions: Executions, last_event_id: LastEventId = None
) -> EventSourceResponse:
    """Follow an execution. `id:` is the event's `seq`; with `Last-Event-ID` the stream goes on after it."""
    return stream(server_sent(await executions.events(execution_id, last_event_id)))


@router.post("/events", status_code=202, dependencies=[may("executions:write")])
async def send_execution_event(execution_id: str, body: SendEvent, executions: Executions, unit: Unit) -> EventAccepted:
    """Tell an execution what happened outside, for its `wait` nodes.

    An event that comes before its wait is kept for it. No worker has to run.
    """
    await unit.commit()
    event_id = await send_event(executions, execution_id, body.event(), unit.operation_key)
    return EventAccepted(event_id=event_id, execution_id=execution_id)
