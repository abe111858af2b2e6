"""Reading and validating definitions beside the event loop: a large or malicious one takes seconds of the processor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar, cast

from cairn.contracts.json import JsonObject
from cairn.domain.graphs.document import Document
from cairn.domain.graphs.secrets import Seal
from cairn.domain.tools.authored.service import ToolService
from cairn.errors import InvalidInput
from cairn.graph.issues import issue
from cairn.graph.model import Definition, GraphIssue
from cairn.graph.validate import ValidationContext, validate

MAX_TOOLS = 10_000
"""Tools that the nodes of a graph name together."""

T = TypeVar("T")

# Few threads, of their own: however many definitions come in, the loop is one of three that want the interpreter.
_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="definitions")


async def _beside(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)


class Checker:
    """Reads and validates definitions, each once."""

    def __init__(self, context: ValidationContext, tools: ToolService | None = None, seal: Seal | None = None) -> None:
        """Take what definitions may refer to.

        Without ``tools`` those that authors made are not checked; without ``seal`` secrets stay as they are.
        """
        self._context = context
        self._seal = seal
        self._tools = tools
        self._found: dict[str, Sequence[GraphIssue]] = {}

    async def read(self, definition: JsonObject, paths: Mapping[str, str] | None = None) -> Document:
        """Read what an author sent; arguments and errors as of :meth:`Document.read`."""
        return await _beside(lambda: Document.read(definition, paths, self._seal))

    async def issues(self, document: Document) -> Sequence[GraphIssue]:
        """Return the errors and warnings of a definition."""
        if document.digest not in self._found:
            named = _tools_named(document.raw)
            context = await self._known(named, _tools_called(document.raw))
            found = await _beside(lambda: validate(document.model or Definition.model_validate(document.raw), context))
            if self._tools is not None and len(named) > MAX_TOOLS:
                message = f"The nodes of a graph name together at most {MAX_TOOLS} tools"
                found.append(issue("workflow", None, None, message))
            self._found[document.digest] = found
        return self._found[document.digest]

    async def _known(self, named: Set[str], called: Set[str]) -> ValidationContext:
        if self._tools is None:
            return self._context
        known = await self._tools.known(named) if len(named) <= MAX_TOOLS else None
        # There are no documents yet.
        context = replace(self._context, known_tool_uuids=known, known_document_uuids=frozenset())
        others = called - (self._context.known_tools or frozenset())
        if self._context.known_tools is None or not others or len(others) > MAX_TOOLS:
            return context
        own = await self._tools.named(others)
        guarded = frozenset(name for name, tool in own.items() if tool.spec is not None and tool.spec.require_approval)
        return replace(context, known_tools=self._context.known_tools | own.keys(), guarded_tools=guarded)


def _tools_named(definition: JsonObject) -> set[str]:
    """Return the uuids that a definition, of whatever form its data has, names as tools."""
    lists = [node.get("data", {}).get("tool_uuids") for node in definition.get("nodes", [])]
    named = (uuid for each in lists if isinstance(each, list) for uuid in cast("list[Any]", each))
    return {uuid for uuid in named if isinstance(uuid, str)}


def _tools_called(definition: Any) -> set[str]:
    """Return the names by which a definition, of whatever form it and its inline ones are, calls tools."""
    found: set[str] = set()
    left: list[Any] = [definition]
    while left:
        for node in _list(_member(left.pop(), "nodes")):
            data = _member(node, "data")
            named = [
                _member(data, "tool"),
                _member(_member(data, "compensate"), "tool"),
                *_list(_member(data, "tools")),
            ]
            found.update(name for name in named if isinstance(name, str))
            left.append(_member(data, "body"))
    return found


def _member(value: Any, name: str) -> Any:
    return cast("JsonObject", value).get(name) if isinstance(value, dict) else None


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def not_valid(issues: Sequence[GraphIssue]) -> InvalidInput:
    """Return the error for a draft that cannot be published or tried; ``extra`` has ``is_valid`` and ``errors``."""
    errors = [issue.model_dump() for issue in issues]
    return InvalidInput("The draft is not valid.", code="invalid_draft", extra={"is_valid": False, "errors": errors})
