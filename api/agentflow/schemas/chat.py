"""Turns of agents as agentflow takes and tells them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import ServerSentEvent

from api.kit.body import Body, leave_out_default
from cairn.contracts.json import Json, JsonObject
from cairn.domain import chat
from cairn.domain.chat.model import EventType
from cairn.domain.conversations.model import MAX_MESSAGE
from cairn.domain.conversations.model import text_of as value_text
from cairn.errors import FieldError, InvalidInput
from cairn.graph.subagents import with_context

MESSAGE_ID = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$"
Id = Annotated[str, Field(pattern=MESSAGE_ID)]
Model = Annotated[str, Field(min_length=1, max_length=255)]

_MESSAGE_ID = "Of the caller's choice: the same message sent again attaches to the turn that it has begun."


class TextPart(Body):
    """A part of a message."""

    type: Literal["text"]
    text: str = Field(max_length=MAX_MESSAGE)


Parts = Annotated[list[TextPart], Field(min_length=1, max_length=256)]


def text_of(content: str | list[TextPart], pointer: str) -> str:
    """Return a message as one text.

    Raises:
        InvalidInput: it is empty or too long.
    """
    text = content if isinstance(content, str) else "\n".join(part.text for part in content)
    text = text.replace("\0", "")  # PostgreSQL keeps none
    if not text or len(text) > MAX_MESSAGE:
        said = f"must have 1 to {MAX_MESSAGE} characters"
        raise InvalidInput("The message is empty or too long.", errors=[FieldError(pointer, said)])
    return text


class AskAgent(Body):
    """What a person says to an agent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"message": "How much is 6 * 7?", "message_id": "m-1", "stream": False}]}
    )

    message: Annotated[str, Field(min_length=1, max_length=MAX_MESSAGE)] | Parts = Field(
        description=f"A text, or text parts, of {MAX_MESSAGE} characters at most."
    )
    message_id: Id | None = Field(default=None, description=_MESSAGE_ID)
    stream: bool = Field(default=True, description="Answer by server-sent events, while the turn is taken.")
    verbose: bool = Field(
        default=False,
        description="With what models think (`reasoning`), what sub-agents write, the use of each request to a model, "
        "and places in the graph.",
    )
    model: Model | None = Field(
        default=None, description="Asked in this turn in place of the agent's own; an id of `GET /models`."
    )
    metadata: JsonObject = Field(
        default_factory=dict, description="Of the turn's execution.", json_schema_extra=leave_out_default
    )

    def ask(self, key: str | None, conversation_id: str | None = None) -> chat.Ask:
        """Return what the domain is told; ``key`` names the request over all its tries."""
        made = hashlib.sha256(key.encode()).hexdigest()[:32] if key else uuid.uuid4().hex
        return chat.Ask(
            content=text_of(self.message, "/message"),
            message_id=self.message_id or f"msg_{made}",
            conversation_id=conversation_id,
            model=self.model,
            metadata=self.metadata,
        )


class ChatWithAgent(AskAgent):
    """What a person says to an agent in a conversation."""

    conversation_id: str | None = Field(
        default=None, min_length=1, max_length=255, description="Without one a conversation begins."
    )

    def said(self, key: str | None) -> chat.Ask:
        """Return what the domain is told; ``key`` names the request over all its tries."""
        return self.ask(key, self.conversation_id)


class RunSubagent(ChatWithAgent):
    """What a sub-agent is to do."""

    context: str | JsonObject | None = Field(
        default=None, description="Told to it together with the message: a text, or an object as JSON."
    )

    def said(self, key: str | None) -> chat.Ask:
        """Return what the domain is told, the context before the message."""
        ask = super().said(key)
        if self.context is None:
            return ask
        context = value_text(self.context)
        told = text_of(with_context(ask.content, context), "/context")
        return replace(ask, content=told)


class Usage(BaseModel):
    """What a turn has used of models."""

    requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None = Field(description="US dollars; null when the model's price is not known.")


class ChatToolCall(BaseModel):
    """A tool that the agent has called."""

    id: str
    tool: str
    arguments: JsonObject
    result: Json = None
    cache_id: str | None = Field(default=None, description="In place of a large result.")
    error: JsonObject | None = Field(default=None, description="Code and message, when the call failed.")


class ChatReply(BaseModel):
    """A turn as a whole."""

    conversation_id: str
    message_id: str = Field(description="The person's message; sent again, it attaches to this turn.")
    execution_id: str
    content: Json = Field(description="A text, or a value by the output schema; null while people are asked.")
    tool_calls: list[ChatToolCall]
    usage: Usage | None
    finish_reason: Literal["stop", "cancelled", "approval_required", "question_asked"] = Field(
        description="`approval_required`, `question_asked`: it waits for people. Answer, then send the message again."
    )
    waits_for: list[JsonObject] = Field(description="The approvals and questions that it waits for.")

    @classmethod
    def of(cls, reply: chat.Reply) -> ChatReply:
        """Make it of what the domain says."""
        turn = reply.turn
        return cls.model_validate(
            {
                "conversation_id": turn.conversation_id,
                "message_id": turn.message_id,
                "execution_id": turn.execution_id,
                "content": reply.content,
                "tool_calls": reply.tool_calls,
                "usage": reply.usage,
                "finish_reason": reply.finish_reason,
                "waits_for": reply.waits_for,
            }
        )


class TurnEvent(BaseModel):
    """The `data:` of an event."""

    model_config = ConfigDict(from_attributes=True)

    type: EventType
    call_id: str = Field(
        description="The turn (its execution), a request to the model, a call of a tool or a sub-agent, a sub-agent "
        "(its execution), a request to people."
    )
    parent_call_id: str | None = Field(
        description="Whose part it is: of a sub-agent's `start` and `end` the call; null for the turn."
    )
    root_call_id: str = Field(description="The turn: id of its execution.")
    content: Json = Field(description="By type; of a delta and of reasoning a text.")
    timestamp: datetime
    seq: int = Field(description="Grows from event to event, the same for whoever reads; also the event's `id:`.")
    metadata: JsonObject


async def server_sent(events: AsyncIterator[chat.ChatEvent]) -> AsyncIterator[ServerSentEvent]:
    """Turn what is told of a turn into server-sent events."""
    async for event in events:
        yield ServerSentEvent(TurnEvent.model_validate(event).model_dump_json(), id=str(event.seq))
