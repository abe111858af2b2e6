"""A conversation as providers of models take it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from cairn.contracts.json import JsonObject
from cairn.domain.agents.model import AgentTool
from cairn.domain.agents.reading import AgentReader
from cairn.domain.conversations.rows import compression_of
from cairn.domain.conversations.said import context_of
from cairn.domain.conversations.service import ConversationService
from cairn.errors import NotFound

Format = Literal["openai", "anthropic"]


@dataclass(slots=True)
class Exported:
    """A conversation in a provider's form.

    Attributes:
        tools: of the conversation's agent.
        system: for Anthropic, where it is no message.
    """

    messages: list[JsonObject] = field(default_factory=list[JsonObject])
    tools: list[JsonObject] = field(default_factory=list[JsonObject])
    system: str | None = None


async def exported(service: ConversationService, agents: AgentReader, conversation: str, to: Format) -> Exported:
    """Return what a model is told of a conversation in a provider's form.

    Raises:
        NotFound: no such conversation.
    """
    row = await service.find(conversation)
    marker = await compression_of(service.session, service.scope, row)
    after = marker.message_key or 0 if marker is not None else 0
    rows = [each for each in await service.all_messages(row) if (each.key or 0) > after]
    messages = context_of(rows, marker.data["summary"] if marker is not None else None)
    try:
        config = (await agents.get(row.agent_id)).config
    except NotFound:  # deleted; what was said stays
        return export(messages, [], "", to)
    return export(messages, await agents.shown_tools(config.tools, config), config.instructions, to)


def export(messages: Sequence[ModelMessage], tools: Iterable[AgentTool], instructions: str, to: Format) -> Exported:
    """Return what was said in a provider's form.

    Args:
        messages: what a model is told of it.
        tools: of the agent.
        instructions: of the agent.
        to: the form.
    """
    systems = [part.content for each in messages for part in each.parts if isinstance(part, SystemPromptPart)]
    system = "\n\n".join([instructions, *systems] if instructions else systems)
    known = [tool for tool in tools if tool.args_schema is not None]
    if to == "openai":
        begun: list[JsonObject] = [{"role": "system", "content": system}] if system else []
        told = [made for each in messages for made in _openai(each)]
        return Exported([*begun, *told], [_openai_tool(tool) for tool in known])
    return Exported(_alternating(_anthropic(each) for each in messages), [*map(_anthropic_tool, known)], system or None)


def _openai(message: ModelMessage) -> list[JsonObject]:
    if isinstance(message, ModelRequest):
        made: list[JsonObject] = []
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                made.append({"role": "user", "content": str(part.content)})
            elif isinstance(part, ToolReturnPart):
                content = part.model_response_str()
                made.append({"role": "tool", "tool_call_id": part.tool_call_id, "content": content})
        return made
    text = "\n\n".join(part.content for part in message.parts if isinstance(part, TextPart))
    calls: list[JsonObject] = [
        {
            "id": part.tool_call_id,
            "type": "function",
            "function": {"name": part.tool_name, "arguments": json.dumps(part.args_as_dict())},
        }
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    if not text and not calls:
        return []
    return [{"role": "assistant", "content": text or None, **({"tool_calls": calls} if calls else {})}]


def _anthropic(message: ModelMessage) -> tuple[str, list[JsonObject]]:
    blocks: list[JsonObject] = []
    for part in message.parts:
        if isinstance(part, UserPromptPart):
            blocks.append({"type": "text", "text": str(part.content)})
        elif isinstance(part, TextPart) and part.content:
            blocks.append({"type": "text", "text": part.content})
        elif isinstance(part, ToolCallPart):
            told = {"id": part.tool_call_id, "name": part.tool_name, "input": part.args_as_dict()}
            blocks.append({"type": "tool_use", **told})
        elif isinstance(part, ToolReturnPart):
            told = {"tool_use_id": part.tool_call_id, "content": part.model_response_str()}
            failed = {"is_error": True} if part.outcome == "failed" else {}
            blocks.append({"type": "tool_result", **told, **failed})
    return "user" if isinstance(message, ModelRequest) else "assistant", blocks


def _alternating(told: Iterable[tuple[str, list[JsonObject]]]) -> list[JsonObject]:
    """Return messages of which no two from one side follow each other, as Anthropic wants them."""
    made: list[tuple[str, list[JsonObject]]] = []
    for role, blocks in told:
        if made and made[-1][0] == role:
            made[-1][1].extend(blocks)
        elif blocks:
            made.append((role, blocks))
    return [{"role": role, "content": blocks} for role, blocks in made]


def _openai_tool(tool: AgentTool) -> JsonObject:
    described = {"name": tool.name, "description": tool.description or "", "parameters": tool.args_schema}
    return {"type": "function", "function": described}


def _anthropic_tool(tool: AgentTool) -> JsonObject:
    return {"name": tool.name, "description": tool.description or "", "input_schema": tool.args_schema}
