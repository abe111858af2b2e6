"""Calls of voice graphs: the turns of the model that speaks, and what is written down when a call ends."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import NodeCall, NodeResult
from cairn.contracts.operations import Nothing

UTTERANCE = "utterance"
"""Name of the event by which the caller speaks. Its payload: {text}."""

HANGUP = "hangup"
"""Name of the event by which the caller ends the call. Its payload may hold a ``disposition``."""

ON_THE_PHONE = "You are on a phone call."
"""How the instructions of every model begin that speaks in a call."""

EXTRACTS = "You read values out of a phone call."
"""How the instructions of every model begin that extracts the values of a call."""

LEADS_ON = "leads_on"
"""Member of a tool's metadata that is true for a tool which is an edge of the graph."""


class CallRecord(BaseModel):
    """Input of ``record_call``: a call that has ended.

    Attributes:
        run_id: the run that tells it; an activity that finds itself in another one was dispatched by a reset.
        disposition: how it ended.
        extracted: values of the extraction variables.
    """

    temporal_id: str
    run_id: str
    ended_at: datetime
    disposition: str
    duration_seconds: float = 0.0
    phone_number: str | None = None
    extracted: JsonObject = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    summary: str | None = None


SPEAK = ActivityRef("speak", NodeCall, NodeResult)
"""A turn of the model that speaks in a call. ``data``: system, model?, temperature?, history (reference of what was
said so far, None at first), unsaid (lines said in its name since), heard (what the caller says; None when nothing new),
results ([{id, tool, value? or error?}]), tools (names), transitions ([{name, description}]). Result: {history, text,
calls: [{id, tool, arguments, names? (of the scope that the tool reads)}],
transitions: [{id, name}] in the order in which they were asked for}."""

RECORD_CALL = ActivityRef("record_call", CallRecord, Nothing)
