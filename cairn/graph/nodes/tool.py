"""tool: one function of the worker's registry is called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from pydantic import Field, StrictBool

from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import RUN_TOOL
from cairn.graph.expressions import ExpressionError
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Scope, Sources, evaluate, evaluate_all, sources_of


class ToolData(NodeData):
    """Data of a tool node.

    Attributes:
        tool: its name.
        arguments: by name; a string is an expression, any other value stands for itself. Or one expression of them all.
        require_approval: a person has to approve the call; one that is denied fails the node with ``denied``.
        approval_timeout: seconds until the approval is in vain, which fails the node with ``timeout``; None for never.
        approvers: ids of the users who may approve; empty for anyone.
        repeatable: to call it again does no harm, so that a segment may hold the node; the tool has to say so, too.
    """

    tool: Name
    arguments: JsonObject | Name = Field(default_factory=dict)
    require_approval: bool = False
    approval_timeout: float | None = Field(default=None, gt=0, le=10 * 366 * 86400)
    approvers: list[Name] = Field(default_factory=list)
    repeatable: StrictBool = False


class Tool(NodeKind[ToolData]):
    """The kind."""

    def resolve(self, data: ToolData, scope: Scope) -> JsonObject:
        """Evaluate the arguments."""
        return {"tool": data.tool, "arguments": _arguments(data, scope)}

    def without_effect(self, data: ToolData) -> bool:
        """What its author says, but for calls that a person approves and effects that are undone."""
        return data.repeatable and not data.require_approval and data.compensate is None

    def problems(self, data: ToolData) -> Iterable[tuple[str, str]]:
        """What a person approves, or what is undone, is nothing to do again at will."""
        if data.repeatable and data.require_approval:
            yield "repeatable", "A call that a person has to approve is made once: leave out 'repeatable'"
        if data.repeatable and data.compensate is not None:
            yield "repeatable", "What has to be undone is nothing to do again: leave out 'repeatable' or 'compensate'"

    def expressions(self, data: ToolData) -> Sources:
        """The arguments."""
        if isinstance(data.arguments, str):
            return iter([("arguments", data.arguments)])
        return sources_of("arguments", data.arguments)

    def tools(self, data: ToolData) -> Iterable[tuple[str, str]]:
        """The tool itself."""
        return [("tool", data.tool)]


def _arguments(data: ToolData, scope: Scope) -> JsonObject:
    if not isinstance(data.arguments, str):
        return evaluate_all(data.arguments, scope)
    value = evaluate(data.arguments, scope)
    if not isinstance(value, dict):
        raise ExpressionError(f"the arguments of tool {data.tool!r} are no object")
    return cast("JsonObject", value)


KIND = Tool(type="tool", Data=ToolData, activity=RUN_TOOL, checkpointed=True, timeout=300.0)
