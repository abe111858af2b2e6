"""Sub-agents as an agent's model sees them: tools, whose calls the workflow has carried out by child executions."""

from __future__ import annotations

from typing import Any, cast

from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import NodeCall
from cairn.domain.tools import Tool

_ARGUMENTS: JsonObject = {
    "type": "object",
    "properties": {
        "message": {
            "type": "string",
            "minLength": 1,
            "maxLength": 262_144,
            "description": "What the agent is to do. It knows nothing of what was said here.",
        },
        "context": {
            "type": "string",
            "maxLength": 262_144,
            "description": "What it should know besides.",
        },
    },
    "required": ["message"],
    "additionalProperties": False,
}


def subagents_of(call: NodeCall) -> list[Tool]:
    """Return the sub-agents that the call's model may call."""
    return [Tool(each["name"], each["description"], _ARGUMENTS, _left_to_workflow, None, None) for each in _told(call)]


def subagents_named(call: NodeCall) -> list[str]:
    """Return the names by which the call's model calls sub-agents."""
    return [each["name"] for each in _told(call)]


def _told(call: NodeCall) -> list[JsonObject]:
    return cast("list[JsonObject]", call.data.get("subagents") or [])


def _left_to_workflow(**arguments: Any) -> None:
    raise AssertionError("calls of sub-agents are child executions")
