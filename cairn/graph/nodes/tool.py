"""tool: one function of the worker's registry is called."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import RUN_TOOL
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Scope, Sources, evaluate_all, sources_of


class ToolData(NodeData):
    """Data of a tool node.

    Attributes:
        tool: its name.
        arguments: by name; a string is an expression, any other value stands for itself.
    """

    tool: Name
    arguments: JsonObject = Field(default_factory=dict)


class Tool(NodeKind[ToolData]):
    """The kind."""

    def resolve(self, data: ToolData, scope: Scope) -> JsonObject:
        """Evaluate the arguments."""
        return {"tool": data.tool, "arguments": evaluate_all(data.arguments, scope)}

    def expressions(self, data: ToolData) -> Sources:
        """The arguments."""
        return sources_of("arguments", data.arguments)

    def tools(self, data: ToolData) -> Iterable[tuple[str, str]]:
        """The tool itself."""
        return [("tool", data.tool)]


KIND = Tool(type="tool", Data=ToolData, activity=RUN_TOOL, checkpointed=True, timeout=300.0)
