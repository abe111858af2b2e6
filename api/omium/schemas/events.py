"""Events of an execution as omium streams them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import ServerSentEvent

from api.kit.body import Body, leave_out_default
from api.omium.schemas.calls import CallReply
from cairn.contracts.json import Json, JsonObject
from cairn.domain.calls.turns import Reply
from cairn.domain.executions import outside
from cairn.domain.executions.events import ExecutionEvent


class Event(BaseModel):
    """The `data:` of an event."""

    model_config = ConfigDict(from_attributes=True)

    seq: int = Field(
        description="Grows from event to event, over resets too; also the event's `id:`. A token has no `id:`, and the"
        " number of the event before it."
    )
    type: str = Field(
        description="status, node_started, node_completed, node_failed, checkpoint, requests, reset, transcript or "
        "token."
    )
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
        yield ServerSentEvent(shown.model_dump_json(exclude=absent), id=str(event.seq) if event.numbered else None)


class SendEvent(Body):
    """Something that happened outside, for a `wait` node."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "paid", "correlation": "order-17", "payload": {"amount": 12.5}}]}
    )

    name: str = Field(min_length=1, max_length=255, description="The event that a `wait` node names.")
    payload: Json = Field(default=None, description="What the `wait` node returns. At most 1 MiB.")
    correlation: Json = Field(
        default=None, description="What the wait's `correlation` has to give; a wait that has none takes any."
    )
    event_id: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$",
        description="An id of the caller's choice: the same event sent again is one.",
        json_schema_extra=leave_out_default,
    )

    def event(self) -> outside.Event:
        """Return what the domain is told."""
        return outside.Event(self.name, self.payload, self.correlation, self.event_id or None)


class EventAccepted(BaseModel):
    """The event will reach the execution."""

    event_id: str
    execution_id: str
    accepted: Literal[True] = True


class EventAnswered(EventAccepted):
    """What a call answers to an utterance."""

    reply: CallReply | None = Field(description="Null when the answer takes longer than was waited for.")

    @classmethod
    def of(cls, event_id: str, execution_id: str, reply: Reply | None) -> Self:
        """Make it of what the domain says."""
        answer = CallReply.model_validate(reply) if reply is not None else None
        return cls(event_id=event_id, execution_id=execution_id, reply=answer)


class Waiting(BaseModel):
    """Whether, and how long, to wait for what a call answers."""

    wait: bool = Field(default=False, description="Wait for the answer; only for executions of voice graphs.")
    timeout: float = Field(
        default=30, ge=0.1, le=60, description="Seconds to wait at most; what was said is heard all the same."
    )
