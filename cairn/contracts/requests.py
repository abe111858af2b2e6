"""Requests to people: approvals and questions. Their payloads and the references to their activities."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.operations import Nothing

RequestKind = Literal["approval", "question"]
RequestEnd = Literal["approved", "denied", "answered", "expired", "cancelled"]


class OpenRequest(BaseModel):
    """Input of ``open_request``: a person is asked, once however often this is tried.

    Attributes:
        request_id: ``appr_`` or ``qst_`` and 32 hex digits; made by the engine, new for each line of the execution.
        kind: what is asked for.
        execution_id: the execution that waits; ``temporal_id`` is its Temporal workflow id.
        run_id: the workflow run that asks: an activity that finds itself in another run does nothing.
        lineage: the line of the execution; an answer carries it.
        prompt: for the person.
        assignees: who may answer; empty for anyone of the tenant.
        schema_: JSON Schema of a question's answer.
        tool: name of the tool that an agent wants to call.
        arguments: what it wants to call it with.
        expires_at: when the wait ends without an answer.
        notify: URL that is told, with a link that answers without a key.
        escalated: asked again, since nobody answered.
        escalated_to: whom the graph names for that.
    """

    request_id: str
    kind: RequestKind
    execution_id: str
    temporal_id: str
    tenant: str
    live: bool = True
    run_id: str
    lineage: str
    node_id: str
    visit: int
    prompt: str = ""
    assignees: list[str] = Field(default_factory=list)
    schema_: JsonObject | None = None
    tool: str | None = None
    arguments: JsonObject | None = None
    expires_at: datetime | None = None
    notify: str | None = None
    escalated: bool = False
    escalated_to: list[str] = Field(default_factory=list)


class CloseRequest(BaseModel):
    """Input of ``close_request``: the request is over; closing it again changes nothing."""

    request_id: str
    tenant: str
    status: RequestEnd
    by: str = ""
    value: Json = None


OPEN_REQUEST = ActivityRef("open_request", OpenRequest, Nothing)
CLOSE_REQUEST = ActivityRef("close_request", CloseRequest, Nothing)
