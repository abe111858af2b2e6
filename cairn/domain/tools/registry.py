"""The tools that an installation offers: the built-in ones and those of its own modules."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator

from cairn.domain.skills import SkillLibrary
from cairn.domain.tools import builtin
from cairn.domain.tools.skills import skill_reader
from cairn.domain.tools.tool import Tool, ToolError
from cairn.settings import Settings


class UnknownTool(ToolError):
    """No tool has this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(
            f"There is no tool {name!r}; known tools: {', '.join(sorted(known))}", retryable=False, code="unknown_tool"
        )


class ToolRegistry:
    """Tools by name."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        """Make a registry of some tools."""
        self._tools: dict[str, Tool] = {}
        for each in tools:
            self.register(each)

    def register(self, tool: Tool) -> None:
        """Add a tool.

        Raises:
            ValueError: another tool has the name.
        """
        if self._tools.setdefault(tool.name, tool) is not tool:
            raise ValueError(f"Two tools are named {tool.name!r}")

    def load(self, module: str) -> None:
        """Import a module and add every tool that it defines or imports.

        Raises:
            ValueError: the module cannot be imported, has no tool, or one of its names is taken.
        """
        try:
            imported = importlib.import_module(module)
        except ImportError as error:
            raise ValueError(f"Tool module {module!r} cannot be imported: {error}") from error
        found = [value for value in vars(imported).values() if isinstance(value, Tool)]
        if not found:
            raise ValueError(f"Tool module {module!r} has no function that is decorated with @tool")
        for each in found:
            self.register(each)

    def get(self, name: str) -> Tool:
        """Return a tool.

        Raises:
            UnknownTool: there is none of this name.
        """
        if name not in self._tools:
            raise UnknownTool(name, self._tools)
        return self._tools[name]

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._tools)

    def repeatable(self) -> frozenset[str]:
        """Return the names of those that may be called again without harm."""
        return frozenset(each.name for each in self if each.repeatable)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())


def load_tools(settings: Settings) -> ToolRegistry:
    """Return the built-in tools and those of ``settings.tool_modules``.

    Raises:
        ValueError: a module cannot be loaded, or two tools have one name.
    """
    registry = ToolRegistry()
    for module in (builtin.__name__, *settings.tool_modules):
        registry.load(module)
    registry.register(skill_reader(SkillLibrary(settings.skills)))
    return registry
