"""Servers of the Model Context Protocol that the operator configured, and calls of their tools."""

from cairn.providers.mcp.client import McpFailure, call_tool, describe_tool
from cairn.providers.mcp.servers import (
    HttpServer,
    McpConfigError,
    StdioServer,
    UnknownServer,
    find_server,
    server_names,
)

__all__ = [
    "HttpServer",
    "McpConfigError",
    "McpFailure",
    "StdioServer",
    "UnknownServer",
    "call_tool",
    "describe_tool",
    "find_server",
    "server_names",
]
