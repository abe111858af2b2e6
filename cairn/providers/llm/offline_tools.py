"""Which tools a prompt asks for, found without a model: by the words that it shares with their descriptions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    RetryFeedbackPart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.tools import ToolDefinition

from cairn.contracts.json import Json, JsonObject
from cairn.providers.llm.offline_text import keywords

_ARITHMETIC = re.compile(r"[-+(]*\d[\d.]*(?:\s*(?:\*\*|//|[-+*/%])\s*[-+(]*\d[\d.]*\)*)+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_QUOTED = re.compile(r"[\"“”„«»]([^\"“”„«»]{3,300})[\"“”„«»]")
_ZONE = re.compile(r"\b(?:Africa|America|Antarctica|Asia|Atlantic|Australia|Europe|Indian|Pacific)/[A-Za-z_/]+")
_TOPIC_LIMIT = 500
# Arguments that a prompt holds only when it asks for them.
_SPECIFIC = frozenset({"expression", "formula", "zone"})


@dataclass
class Conversation:
    """What is to be answered: what was asked and found since the last answer.

    Attributes:
        system: the system prompt.
        prompt: what the user asks.
        results: name and result of each tool that was called.
        rejection: why the last answer was not accepted.
    """

    system: str = ""
    prompt: str = ""
    results: list[tuple[str, Json]] = field(default_factory=list[tuple[str, Json]])
    rejection: str | None = None

    @classmethod
    def of(cls, messages: Sequence[ModelMessage]) -> Conversation:
        """Read the messages of an agent's run."""
        made, answered = cls(), False
        for message in messages:
            if not isinstance(message, ModelRequest):
                answered = isinstance(message.parts[-1], TextPart) if message.parts else False
                continue
            if answered and any(isinstance(part, UserPromptPart) for part in message.parts):
                made = cls(made.system)
            made.system = "\n".join(filter(None, (made.system, message.instructions)))
            for part in message.parts:
                match part:
                    case UserPromptPart(content=str(content)):
                        made.prompt = f"{made.prompt}\n{content}".strip()
                    case SystemPromptPart():
                        made.system = f"{made.system}\n{part.content}".strip()
                    case ToolReturnPart() if part.outcome == "retried":
                        made.rejection = str(part.content)
                        made.results.append((part.tool_name, None))
                    case ToolReturnPart():
                        made.results.append((part.tool_name, part.content))
                    case RetryFeedbackPart():
                        made.rejection = str(part.content)
                    case _:
                        pass
        return made


def plan_calls(conversation: Conversation, tools: Sequence[ToolDefinition]) -> list[ToolCallPart]:
    """Return one call of each tool that the prompt asks for, all in the first turn."""
    if conversation.results:
        return []
    prompt = conversation.prompt
    planned = ((tool, _arguments(tool.parameters_json_schema, prompt)) for tool in tools)
    return [
        ToolCallPart(tool.name, arguments, f"call_{tool.name}")
        for tool, arguments in planned
        if arguments is not None and (_SPECIFIC & arguments.keys() or _named(tool, prompt))
    ]


def _named(tool: ToolDefinition, prompt: str) -> bool:
    if re.search(rf"\b{re.escape(tool.name)}\b", prompt):
        return True
    return bool(keywords(f"{tool.name.replace('_', ' ')} {tool.description or ''}") & keywords(prompt))


def _arguments(schema: JsonObject, prompt: str) -> JsonObject | None:
    """Return arguments that the prompt holds; None when a required one is missing."""
    properties = cast("dict[str, JsonObject]", schema.get("properties") or {})
    required = cast("list[str]", schema.get("required") or [])
    arguments: JsonObject = {}
    for name, each in properties.items():
        found = next(_candidates(name, each, prompt, required=name in required), None)
        if found is not None:
            arguments[name] = found
        elif name in required:
            return None
    return arguments


def _candidates(name: str, schema: JsonObject, prompt: str, *, required: bool) -> Iterator[Any]:
    for value in schema.get("enum") or ():
        if re.search(rf"\b{re.escape(str(value))}\b", prompt, re.IGNORECASE):
            yield value
    if name == "zone" and (zone := _ZONE.search(prompt)):
        yield zone.group()
    if not required or "enum" in schema:
        return
    match schema.get("type"):
        case "string" if name in ("expression", "formula"):
            yield from (match.group().strip() for match in _ARITHMETIC.finditer(prompt))
        case "string":
            yield topic(prompt)[: int(schema.get("maxLength", _TOPIC_LIMIT))]
        case "integer":
            yield from (int(text) for text in _NUMBER.findall(prompt) if "." not in text)
        case "number":
            yield from (float(text) for text in _NUMBER.findall(prompt))
        case None:
            yield prompt
        case _:
            return


def topic(prompt: str) -> str:
    """Return what a prompt is about: its quoted words, else what its first line says after a colon, else that line."""
    if quoted := _QUOTED.search(prompt):
        return quoted.group(1)
    line = prompt.strip().partition("\n")[0][:_TOPIC_LIMIT]
    return line.partition(": ")[2].strip() or line
