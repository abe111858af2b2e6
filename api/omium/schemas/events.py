"""Events of an execution as omium streams them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import ServerSentEvent

from cairn.contracts.json import JsonObject
from cairn.domain.executions.events import ExecutionEvent


class Event(BaseModel):
    """The `data:` of an event."""

    model_config = ConfigDict(from_attributes=True)

    seq: int = Field(description="Grows from event to event, over resets too; also the event's `id:`.")
    type: str = Field(description="status, node_started, node_completed, node_failed, checkpoint, reset or token.")
    at: datetime
    execution_id: str
    lineage: str = Field(description="Names the line of the execution; a reset begins a new one.")
    node_id: str | None = None
    data: JsonObject


async def server_sent(events: AsyncIterator[ExecutionEvent]) -> AsyncIterator[ServerSentEvent]:
    """Turn the domain's events into server-sent ones."""
    async for event in events:
        shown = Event.model_validate(event)
        absent = {"node_id"} if event.node_id is None else set[str]()
        yield ServerSentEvent(shown.model_dump_json(exclude=absent), id=str(event.seq))
