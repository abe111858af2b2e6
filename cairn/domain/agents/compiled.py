"""The graph of an agent: start, one agent loop, end. A run of the agent is an execution of it."""

from __future__ import annotations

from collections.abc import Sequence

from cairn.contracts.json import JsonObject
from cairn.domain.agents.config import AgentConfig, invalid
from cairn.graph.model import GraphIssue
from cairn.graph.validate import is_valid

_INPUT: JsonObject = {
    "type": "object",
    "required": ["message"],
    "properties": {
        "message": {"type": "string", "minLength": 1},
        "conversation": {
            "type": "object",
            "required": ["id", "message_id"],
            "properties": {"id": {"type": "string"}, "message_id": {"type": "string"}, "model": {"type": "string"}},
        },
    },
}
_CONVERSATION = "has(input.conversation) ? input.conversation : null"


def definition_of(config: AgentConfig) -> JsonObject:
    """Return the definition of the graph that does what a configuration says.

    Its input is ``{"message": …}``, with the turn of a ``conversation`` that it belongs to, if any; its output
    ``{"content": …}``.
    """
    data: JsonObject = {
        "name": config.name,
        "prompt": "{{ input.message }}",
        "model": config.model,
        "temperature": config.temperature,
        "tools": config.tools,
        "output_schema": config.output_schema,
        "max_turns": config.max_turns,
        "max_cost": config.max_cost,
        "conversation": _CONVERSATION,
    }
    if config.need_approval:
        data["require_approval"] = list(config.need_approval)
        data["approval_timeout"] = config.approval_defaults.timeout_seconds
    definition: JsonObject = {
        "nodes": [
            _node("start", "start", 0, {"name": "Message"}),
            _node("agent", "agent", 1, data),
            _node("end", "end", 2, {"name": "Answer", "output": {"content": "outputs.agent"}}),
        ],
        "edges": [_edge("start", "agent", "asked"), _edge("agent", "end", "answered")],
        "input_schema": _INPUT,
    }
    if config.instructions:
        # A value, which is inserted as it is: what an author writes may hold the marks of templates.
        data["system"] = "{{ state.instructions }}"
        definition["state"] = {"instructions": {"default": config.instructions}}
    return definition


def refuse(issues: Sequence[GraphIssue]) -> None:
    """Refuse a configuration whose graph has errors.

    Raises:
        InvalidInput: it has; each is told at the member of the configuration that it comes from.
    """
    if not is_valid(issues):
        errors = [issue for issue in issues if issue.severity == "error"]
        raise invalid([(_path(issue.field or ""), issue.message) for issue in errors])


def _path(field: str) -> tuple[str, ...]:
    """Return where in the configuration a field of the graph comes from."""
    place, *rest = field.split(".")
    if place == "state":
        return ("instructions",)
    return tuple(rest) if place == "data" else ()


def _node(node_id: str, kind: str, column: int, data: JsonObject) -> JsonObject:
    return {"id": node_id, "type": kind, "position": {"x": 320 * column, "y": 0}, "data": data}


def _edge(source: str, target: str, label: str) -> JsonObject:
    return {"id": f"{source}-{target}", "source": source, "target": target, "data": {"label": label}}
