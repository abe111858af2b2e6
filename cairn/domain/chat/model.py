"""Turns as callers see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cairn.contracts.json import Json, JsonObject
from cairn.persistence.tables import ExecutionRow

EventType = Literal[
    "start",
    "reasoning",
    "delta",
    "end",
    "error",
    "approval_required",
    "approval_resolved",
    "question_asked",
    "question_answered",
    "tool_start",
    "tool_end",
    "usage",
    "restart",
    "status",
]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person says to an agent.

    Attributes:
        conversation_id: None: a conversation begins.
        message_id: of the caller's choice: sent again, it attaches to the turn that it has begun.
        model: asked in this turn in place of the agent's own.
        metadata: of the turn's execution.
        thread_id: in place of a conversation's id the caller's own name for it: a conversation of this name goes on,
            or begins.
    """

    content: str
    message_id: str
    conversation_id: str | None = None
    model: str | None = None
    metadata: JsonObject = field(default_factory=dict[str, Json])
    thread_id: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that was begun.

    Attributes:
        execution: its row.
        agent_id: the agent that takes it.
        message_id: the person's message.
    """

    execution: ExecutionRow
    execution_id: str
    agent_id: str
    conversation_id: str
    message_id: str


@dataclass(frozen=True, slots=True)
class ChatEvent:
    """What is told of a turn.

    Attributes:
        call_id: the turn (its execution's id), a request to the model in it, a tool's call or a request to a person.
        content: of a delta and of reasoning a text, else by type.
        subagent: id of the execution that it is of, when that is not the turn's own.
        seq: grows from event to event, the same for whoever reads.
        verbose: it is for those alone who want to know more.
    """

    type: EventType
    call_id: str
    parent_call_id: str | None
    root_call_id: str
    content: Json
    timestamp: datetime
    seq: int
    metadata: JsonObject
    subagent: str | None = None
    verbose: bool = False


@dataclass(slots=True)
class Reply:
    """A turn as a whole.

    Attributes:
        content: a text; a value when the agent has an output schema; None as long as people are asked.
        tool_calls: {tool, arguments, result or error} of each.
        waits_for: what people are asked, when the turn waits for them.
    """

    turn: Turn
    content: Json = None
    tool_calls: list[JsonObject] = field(default_factory=list[JsonObject])
    usage: JsonObject | None = None
    finish_reason: Literal["stop", "cancelled", "approval_required", "question_asked"] = "stop"
    waits_for: list[JsonObject] = field(default_factory=list[JsonObject])
