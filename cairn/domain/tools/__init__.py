"""Tools: functions that graphs and agents call."""

from cairn.domain.tools.registry import ToolRegistry, UnknownTool, load_tools
from cairn.domain.tools.tool import InvalidArguments, Tool, ToolContext, ToolError, tool

__all__ = [
    "InvalidArguments",
    "Tool",
    "ToolContext",
    "ToolError",
    "ToolRegistry",
    "UnknownTool",
    "load_tools",
    "tool",
]
