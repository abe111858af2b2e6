"""The graph of an agent: start, one agent loop, end. A run of the agent is an execution of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import count

from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import ASK_USER, FINAL_RESULT
from cairn.domain.agents.config import AgentConfig, invalid
from cairn.domain.agents.model import AgentName
from cairn.domain.skills.reading import READ_SKILL
from cairn.domain.tools.authored import ToolSpec
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

_OTHER = re.compile("[^a-z0-9]+")
_NAME = 56
"""Characters of a name at most, so that there is room for a number."""
_TIMEOUT = 300
"""Seconds of an agent's model call or tool call, unless a tool of it may take longer."""
_GRACE = 30


def definition_of(
    config: AgentConfig, specs: Mapping[str, ToolSpec] | None = None, subagents: Sequence[AgentName] = ()
) -> JsonObject:
    """Return the definition of the graph that does what a configuration says.

    Its input is ``{"message": …}``, with the turn of a ``conversation`` that it belongs to, if any; its output
    ``{"content": …}``.

    Args:
        config: the configuration.
        specs: what is said of those of its tools that authors have made, by name.
        subagents: those of its sub-agents that its model may call.
    """
    specs = specs or {}
    tools = [*config.tools, *([READ_SKILL] if config.skills and READ_SKILL not in config.tools else [])]
    data: JsonObject = {
        "name": config.name,
        "prompt": "{{ input.message }}",
        "model": config.model,
        "temperature": config.temperature,
        "tools": tools,
        "output_schema": config.output_schema,
        "max_turns": config.max_turns,
        "max_cost": config.max_cost,
        "conversation": _CONVERSATION,
    }
    if subagents:
        data["subagents"] = callable_as(subagents, tools)
    if longest := max((spec.execution_timeout + _GRACE for spec in specs.values()), default=0):
        data |= {"timeout": longest} if longest > _TIMEOUT else {}
    if asked := config.need_approval([name for name, spec in specs.items() if spec.require_approval]):
        data["require_approval"] = list(asked)
        data["approval_timeout"] = config.approval_defaults.timeout_seconds
        data |= _of_single_tools(config, asked)
    if config.questions.enabled:
        data["questions"] = {"timeout": config.questions.timeout_seconds}
    if config.has_context:
        data["prompt"] = "{{ outputs.context.user }}{{ input.message }}"
    if system := _system(config):
        data["system"] = system
    nodes, edges = _begin(config)
    end: JsonObject = {"name": "Answer", "output": {"content": "outputs.agent"}}
    definition: JsonObject = {
        "nodes": [*nodes, node("agent", "agent", len(nodes), data), node("end", "end", len(nodes) + 1, end)],
        "edges": [*edges, edge("agent", "end", "answered")],
        "input_schema": _INPUT,
    }
    if config.instructions:
        definition["state"] = {"instructions": {"default": config.instructions}}
    return definition


def callable_as(subagents: Sequence[AgentName], tools: Collection[str]) -> list[JsonObject]:
    """Return sub-agents as an agent's model may call them.

    Args:
        subagents: in the order in which they take their names.
        tools: names that are taken.
    """
    taken, found = {*tools, FINAL_RESULT, ASK_USER}, list[JsonObject]()
    for each in subagents:
        plain = _OTHER.sub("_", each.name.lower()).strip("_")[:_NAME]
        plain = plain if plain[:1].isalpha() else f"agent_{plain}"[:_NAME].rstrip("_")
        name = next(name for n in count(1) if (name := plain if n == 1 else f"{plain}_{n}") not in taken)
        taken.add(name)
        described = each.description or f"Asks the agent {each.name}."
        found.append({"name": name, "workflow_id": each.id, "description": described})
    return found


def _system(config: AgentConfig) -> str:
    # Instructions are a value, which is inserted as it is: what an author writes may hold the marks of templates.
    instructions = "{{ state.instructions }}" if config.instructions else ""
    if not config.has_context:
        return instructions
    gap = "\n\n" if instructions else ""
    return f"{instructions}{{% if outputs.context.system %}}{gap}{{{{ outputs.context.system }}}}{{% endif %}}"


def _begin(config: AgentConfig) -> tuple[list[JsonObject], list[JsonObject]]:
    """Return the nodes before the agent, and the edges that lead to it."""
    start = node("start", "start", 0, {"name": "Message"})
    if not config.has_context:
        return [start], [edge("start", "agent", "asked")]
    context = node("context", "context", 1, _context(config))
    return [start, context], [edge("start", "context", "asked"), edge("context", "agent", "given")]


def _context(config: AgentConfig) -> JsonObject:
    """Return the data of the node that renders what the agent is given besides what is said."""
    return {
        "name": "Context",
        "blocks": list(config.blocks),
        **({"skills": config.skills} if config.skills else {}),
        "conversation": _CONVERSATION,
        "variables": "execution.metadata",
    }


def _of_single_tools(config: AgentConfig, asked: Sequence[str]) -> JsonObject:
    """Return who approves calls of single tools, and in what time; a member only where something is said."""
    said = {tool: config.approvals[tool] for tool in asked if tool in config.approvals}
    timeouts = {tool: each.timeout_seconds for tool, each in said.items() if each.timeout_seconds is not None}
    approvers = {tool: each.approvers for tool, each in said.items() if each.approvers}
    members: JsonObject = {"approval_timeouts": timeouts, "approvers": approvers}
    return {name: value for name, value in members.items() if value}


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


def node(node_id: str, kind: str, column: int, data: JsonObject) -> JsonObject:
    """Return a node; those of one graph stand in a row."""
    return {"id": node_id, "type": kind, "position": {"x": 320 * column, "y": 0}, "data": data}


def edge(source: str, target: str, label: str) -> JsonObject:
    """Return an edge."""
    return {"id": f"{source}-{target}", "source": source, "target": target, "data": {"label": label}}
