"""Reading and validating definitions beside the event loop: a large or malicious one takes seconds of the processor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cairn.contracts.json import JsonObject
from cairn.domain.graphs.document import Document
from cairn.errors import InvalidInput
from cairn.graph.model import Definition, GraphIssue
from cairn.graph.validate import ValidationContext, validate

T = TypeVar("T")

# Few threads, of their own: however many definitions come in, the loop is one of three that want the interpreter.
_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="definitions")


async def _beside(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)


class Checker:
    """Reads and validates definitions, each once."""

    def __init__(self, context: ValidationContext) -> None:
        """Take what definitions may refer to."""
        self._context = context
        self._found: dict[str, Sequence[GraphIssue]] = {}

    async def read(self, definition: JsonObject, paths: Mapping[str, str] | None = None) -> Document:
        """Read what an author sent; arguments and errors as of :meth:`Document.read`."""
        return await _beside(lambda: Document.read(definition, paths))

    async def issues(self, definition: JsonObject, digest: str) -> Sequence[GraphIssue]:
        """Return the errors and warnings of a definition that was read or stored."""
        if digest not in self._found:
            self._found[digest] = await _beside(lambda: validate(Definition.model_validate(definition), self._context))
        return self._found[digest]


def not_valid(issues: Sequence[GraphIssue]) -> InvalidInput:
    """Return the error for a draft that cannot be published or tried; ``extra`` has ``is_valid`` and ``errors``."""
    errors = [issue.model_dump() for issue in issues]
    return InvalidInput("The draft is not valid.", code="invalid_draft", extra={"is_valid": False, "errors": errors})
