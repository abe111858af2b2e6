"""mcp: a tool of a server that speaks the Model Context Protocol is called."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import CALL_MCP
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Scope, Sources, evaluate_all, sources_of


class McpData(NodeData):
    """Data of an mcp node.

    Attributes:
        server: name of a server that the operator configured.
        tool: name of one of its tools.
        arguments: by name; a string is an expression, any other value stands for itself.
    """

    server: Name
    tool: Name
    arguments: JsonObject = Field(default_factory=dict)


class Mcp(NodeKind[McpData]):
    """The kind."""

    def resolve(self, data: McpData, scope: Scope) -> JsonObject:
        """Evaluate the arguments."""
        return {"server": data.server, "tool": data.tool, "arguments": evaluate_all(data.arguments, scope)}

    def expressions(self, data: McpData) -> Sources:
        """The arguments."""
        return sources_of("arguments", data.arguments)

    def mcp_servers(self, data: McpData) -> Iterable[tuple[str, str]]:
        """The server."""
        return [("server", data.server)]


KIND = Mcp(type="mcp", Data=McpData, activity=CALL_MCP, checkpointed=True, timeout=300.0)
