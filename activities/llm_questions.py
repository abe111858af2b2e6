"""The tool by which an agent's model asks people. Its calls are left to the workflow, which waits for the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import ASK_USER, NodeCall
from cairn.domain.tools import Tool

_DESCRIPTION = (
    "Ask the user a question, and wait for the answer. For what you cannot know or find out by yourself: a choice that "
    "is theirs, a detail that is missing."
)
_OPTION: JsonObject = {"type": "string", "minLength": 1, "maxLength": 500}
_ARGUMENTS: JsonObject = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "minLength": 1, "maxLength": 4000, "description": "One question, in full."},
        "options": {
            "type": "array",
            "items": _OPTION,
            "minItems": 2,
            "maxItems": 20,
            "uniqueItems": True,
            "description": "The answers to choose from. Left out, the answer is any text.",
        },
        "free_text": {"type": "boolean", "description": "Any other text is taken for an answer besides the options."},
    },
    "required": ["question"],
    "additionalProperties": False,
}


def questions_of(call: NodeCall) -> Sequence[Tool]:
    """Return the tool, where the call's model may ask people."""
    return [_ASK] if call.data.get("asks") else []


def _left_to_workflow(**arguments: Any) -> None:
    raise AssertionError("a question is a wait of the workflow's")


_ASK = Tool(ASK_USER, _DESCRIPTION, _ARGUMENTS, _left_to_workflow, None, None)
