"""Events of an execution as they happen."""

from __future__ import annotations

from fastapi import APIRouter
from sse_starlette import EventSourceResponse

from api.kit.auth import may
from api.kit.deps import Executions
from api.kit.route import SurfaceRoute
from api.kit.sse import LastEventId, stream, streams
from api.omium.schemas.events import Event, server_sent

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
