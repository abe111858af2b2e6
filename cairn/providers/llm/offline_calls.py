"""What the offline provider says in calls: it goes by the caller's words, and says that it is no model.

It takes a way when the caller uses words of its name or description, and a tool when they ask for it as in any prompt.
Values are extracted from what the caller said alone: a number for a number, what follows the value's name, or the
sentence that has a word of its name or description.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import cast

from pydantic_ai.messages import ModelMessage, ModelRequest, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.tools import ToolDefinition

from cairn.contracts.calls import EXTRACTS, LEADS_ON, ON_THE_PHONE
from cairn.contracts.json import Json, JsonObject
from cairn.providers.llm.offline_text import keywords
from cairn.providers.llm.offline_tools import Conversation, plan_calls

_OFFLINE = "Offline answer, not by a language model."
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_NO = re.compile(r"\b(?:no|not|never|nope|don't|won't|isn't|can't)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
# How the engine itself begins a part of a call, and the parts of instructions that are not the author's.
_ASIDE = re.compile(r"\(.*\)", re.DOTALL)
_OURS = (ON_THE_PHONE, "A function that leads on", "Say goodbye now")
_SHORT = 200


def speaks(instructions: str | None) -> bool:
    """Whether a model is asked to speak in a call."""
    return (instructions or "").startswith(ON_THE_PHONE)


def extracts(instructions: str | None) -> bool:
    """Whether a model is asked for values of a call."""
    return (instructions or "").startswith(EXTRACTS)


def reply(
    messages: Sequence[ModelMessage], tools: Sequence[ToolDefinition], instructions: str
) -> list[TextPart | ToolCallPart]:
    """Return what is said, or the tools or the way that the caller's words ask for."""
    calls = choose(messages, tools)
    if calls:
        return [*calls]
    heard, results = _new(messages)
    if heard:
        return [TextPart(f"{_OFFLINE} You said: {heard[:_SHORT]}")]
    if results:
        told = "; ".join(f"{name}: {_brief(value)}" for name, value in results)
        return [TextPart(f"{_OFFLINE} {told}")]
    authored = [part for part in instructions.split("\n\n") if not part.startswith(_OURS)]
    first = _SENTENCE.search(authored[-1]) if authored else None
    return [TextPart(f"{_OFFLINE} {first[0].strip()[:_SHORT] if first else ''}".strip())]


def choose(messages: Sequence[ModelMessage], tools: Sequence[ToolDefinition]) -> list[ToolCallPart]:
    """Return the way that the caller's words ask for, else the tools."""
    heard, _ = _new(messages)
    if not heard:
        return []
    said = keywords(heard)
    ways = [tool for tool in tools if (tool.metadata or {}).get(LEADS_ON)]
    shared = [len(said & keywords(f"{way.name.replace('_', ' ')} {way.description or ''}")) for way in ways]
    if any(shared):
        name = ways[shared.index(max(shared))].name
        return [ToolCallPart(name, {}, f"call_{name}_{len(messages)}")]
    others = [tool for tool in tools if tool not in ways]
    planned = plan_calls(Conversation(prompt=heard), others)
    return [ToolCallPart(each.tool_name, each.args, f"{each.tool_call_id}_{len(messages)}") for each in planned]


def values(schema: JsonObject, prompt: str) -> JsonObject:
    """Return the values of an object's properties that the caller has stated."""
    lines = [line.partition(": ")[2] for line in prompt.splitlines() if line.startswith("Caller: ")]
    spoken = [sentence.strip() for line in lines for sentence in _SENTENCE.findall(line)]
    properties = cast("dict[str, JsonObject]", schema.get("properties") or {})
    found = {name: _value(name, each, spoken) for name, each in properties.items()}
    return {name: value for name, value in found.items() if value is not None}


def _value(name: str, schema: JsonObject, spoken: Sequence[str]) -> Json:
    words = keywords(f"{name.replace('_', ' ')} {schema.get('description') or ''}")
    fitting = [sentence for sentence in spoken if words & keywords(sentence)]
    match schema.get("type"):
        case "number":
            numbers = [number for sentence in (*fitting, *spoken) for number in _NUMBER.findall(sentence)]
            return (float(numbers[0]) if "." in numbers[0] else int(numbers[0])) if numbers else None
        case "boolean":
            return not _NO.search(fitting[-1]) if fitting else None
        case _:
            stated = re.compile(rf"\b{re.escape(name.replace('_', ' '))}\s*(?:is|was|:|=)\s*([^.,;!?]+)", re.IGNORECASE)
            named = next((match[1].strip() for each in spoken if (match := stated.search(each))), None)
            return named or (fitting[-1] if fitting else None)


def _new(messages: Sequence[ModelMessage]) -> tuple[str, list[tuple[str, Json]]]:
    """Return what the caller says in this turn, and what its tools have returned; ways that were taken are no tools."""
    last = messages[-1]
    parts = last.parts if isinstance(last, ModelRequest) else ()
    texts = [part.content for part in parts if isinstance(part, UserPromptPart) and isinstance(part.content, str)]
    heard = "\n".join(text for text in texts if not _ASIDE.fullmatch(text))
    returned = [(part.tool_name, part.content) for part in parts if isinstance(part, ToolReturnPart)]
    return heard, [(name, value) for name, value in returned if not _led_on(value)]


def _led_on(value: Json) -> bool:
    return isinstance(value, dict) and cast(JsonObject, value).get("status") == "done"


def _brief(value: Json) -> str:
    return value[:_SHORT] if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[:_SHORT]
