"""What was said in a turn: as models are told it, as it is kept, and as parts that people read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import FINAL_RESULT
from cairn.persistence.tables import MessageRow

SUBAGENTS = "subagents"
"""In the metadata of messages: ids of those of their calls that are of sub-agents."""

REQUESTS: Final = ("tool_request", "sub_agent_request")
RESPONSES: Final = ("tool_response", "sub_agent_response")
PartType = Literal[
    "user",
    "agent_text",
    "tool_request",
    "tool_response",
    "sub_agent_request",
    "sub_agent_response",
    "system_event",
]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a message.

    Attributes:
        tool: of a request or a response; ``call_id`` says which belong together.
        value: arguments of a request, result of a response.
        failed: the response tells that the call failed, or was refused.
    """

    type: PartType
    at: datetime
    text: str = ""
    tool: str | None = None
    call_id: str | None = None
    value: Json = None
    failed: bool = False


def kept(messages: Sequence[ModelMessage], subagents: Collection[str] = ()) -> list[JsonObject]:
    """Return what is kept of a turn: all but the person's message, which stands by itself, and instructions.

    Args:
        messages: that were said.
        subagents: by what names its model calls sub-agents.
    """
    made: list[ModelMessage] = []
    for message in (_marked(message, subagents) for message in messages):
        if isinstance(message, ModelRequest):
            parts = [part for part in message.parts if not isinstance(part, UserPromptPart | SystemPromptPart)]
            if parts:
                made.append(replace(message, parts=parts, instructions=None))
        else:
            made.append(message)
    return ModelMessagesTypeAdapter.dump_python(made, mode="json")


def _marked(message: ModelMessage, subagents: Collection[str]) -> ModelMessage:
    """Return a message that says which of its calls are of sub-agents: later nobody knows what these were called."""
    calls = [
        part.tool_call_id
        for part in message.parts
        if isinstance(part, ToolCallPart | ToolReturnPart) and part.tool_name in subagents
    ]
    return replace(message, metadata={**(message.metadata or {}), SUBAGENTS: calls}) if calls else message


def text_in(messages: Iterable[ModelMessage]) -> str:
    """Return what a model has said in words."""
    texts = [
        part.content
        for message in messages
        if isinstance(message, ModelResponse)
        for part in message.parts
        if isinstance(part, TextPart) and part.content
    ]
    return "\n\n".join(texts)


def context_of(rows: Iterable[MessageRow], summary: str | None = None) -> list[ModelMessage]:
    """Return what a model is told of messages, oldest first; those of turns that were cut short are left out."""
    made: list[ModelMessage] = []
    if summary is not None:
        told = f"Summary of what was said before in this conversation:\n{summary}"
        made.append(ModelRequest(parts=[SystemPromptPart(told)]))
    for row in rows:
        if row.role == "assistant":
            made += _assistant(row) if row.finished else []
        else:
            part = UserPromptPart(row.content) if row.role == "user" else SystemPromptPart(row.content)
            made.append(ModelRequest(parts=[part]))
    return made


def _assistant(row: MessageRow) -> list[ModelMessage]:
    if row.said:
        return ModelMessagesTypeAdapter.validate_python(row.said)
    return [ModelResponse(parts=[TextPart(row.content)])]


def parts_of(role: str, content: str, said: Sequence[JsonObject], at: datetime) -> list[Part]:
    """Return the parts of a message."""
    if role == "user":
        return [Part("user", at, content)]
    if role == "system":
        return [Part("system_event", at, content)]
    made = [part for message in ModelMessagesTypeAdapter.validate_python(list(said)) for part in _parts(message)]
    texts = [part for part in made if part.type == "agent_text"]
    if content and not texts:  # a structured answer, which travelled as a tool's call; or nothing more is known
        made.append(Part("agent_text", at, content))
    return made


def _parts(message: ModelMessage) -> Iterator[Part]:
    of_subagents = (message.metadata or {}).get(SUBAGENTS, ())
    if isinstance(message, ModelResponse):
        for part in message.parts:
            if isinstance(part, TextPart) and part.content:
                yield Part("agent_text", message.timestamp, part.content)
            elif isinstance(part, ToolCallPart) and not part.tool_name.startswith(FINAL_RESULT):
                value = part.args_as_dict()
                kind = REQUESTS[part.tool_call_id in of_subagents]
                yield Part(kind, message.timestamp, "", part.tool_name, part.tool_call_id, value)
        return
    for part in message.parts:
        if isinstance(part, ToolReturnPart) and not part.tool_name.startswith(FINAL_RESULT):
            named = part.tool_name, part.tool_call_id
            kind = RESPONSES[part.tool_call_id in of_subagents]
            yield Part(kind, part.timestamp, "", *named, part.content, failed=part.outcome != "success")
