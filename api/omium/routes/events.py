"""Events of an execution as they happen, and those that come from outside."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sse_starlette import EventSourceResponse

from api.kit.auth import may
from api.kit.deps import Executions, Tokens
from api.kit.route import SurfaceRoute
from api.kit.sse import LastEventId, stream, streams
from api.kit.unit_of_work import Unit
from api.omium.refusals import NOT_STARTED
from api.omium.schemas.events import Event, EventAccepted, EventAnswered, SendEvent, Waiting, server_sent
from cairn.domain.calls.turns import converse
from cairn.domain.executions.outside import send_event
from cairn.domain.executions.stream import Following

WithTokens = Annotated[bool, Query(description="Whether to tell what models write, while they write it.")]

router = APIRouter(prefix="/api/v1/executions/{execution_id}", tags=["events"], route_class=SurfaceRoute)


@router.get(
    "/events",
    response_class=EventSourceResponse,
    responses={
        **streams(Event, "The past events first, then each as it happens; ends after a terminal status."),
        **NOT_STARTED,
    },
    dependencies=[may("executions:read")],
)
async def stream_events(
    execution_id: str,
    executions: Executions,
    feed: Tokens,
    last_event_id: LastEventId = None,
    tokens: WithTokens = True,
) -> EventSourceResponse:
    """Follow an execution. `id:` is the event's `seq`; with `Last-Event-ID` the stream goes on after it.

    Events of type `token` tell what a model writes between its node's start and end. They have no `id:`: after a
    reconnect the text of a node that is still under way is told again. `restart` in their data: a text begins here, and
    what this visit of the node wrote before is void.
    """
    how = Following(-1 if last_event_id is None else last_event_id, tokens)
    events = await executions.events(execution_id, how, feed)
    return stream(server_sent(events))


@router.post(
    "/events",
    status_code=202,
    response_model=EventAnswered | EventAccepted,
    dependencies=[may("executions:write")],
    responses={409: {"description": "It has ended, or an answer is asked for and its graph is no voice graph."}},
)
async def send_execution_event(
    execution_id: str, body: SendEvent, executions: Executions, unit: Unit, waiting: Annotated[Waiting, Query()]
) -> EventAccepted:
    """Tell an execution what happened outside, for its `wait` nodes or for its call.

    An event that comes before its wait is kept for it. No worker has to run. In a call, the event `utterance` with the
    payload `{"text": …}` is what the caller says, and `hangup` ends the call.
    """
    await unit.commit()
    told = executions, execution_id, body.event()
    if not waiting.wait:
        return EventAccepted(event_id=await send_event(*told, unit.operation_key), execution_id=execution_id)
    event_id, reply = await converse(*told, waiting.timeout, unit.operation_key)
    return EventAnswered.of(event_id, execution_id, reply)
