"""What is fuzzed. Each takes bytes; what it raises is a fault."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from cairn.contracts.json import parse
from cairn.graph.expressions import ExpressionError, compile_expression
from cairn.graph.model import Definition
from cairn.graph.templates import TemplateError, compile_text
from cairn.graph.validate import ValidationContext, validate
from cairn.temporal.checkpoints import Projection
from cairn.temporal.events import Event
from cairn.temporal.history import read

SCOPE: dict[str, Any] = {
    "input": {"a": 1, "b": [1, 2, {"c": "x"}], "t": "text"},
    "state": {"x": 2.5, "l": []},
    "outputs": {"n": {"y": None}},
    "loop": {"visits": 1, "index": 0},
    "execution": {"id": "e"},
}
KNOWN = ValidationContext(frozenset({"search"}), frozenset(), frozenset())


def validator(data: bytes) -> None:
    """Judge any JSON object as the definition of a graph."""
    with contextlib.suppress(ValueError, RecursionError):  # no JSON, or no definition at all: refused where it comes in
        definition = Definition.model_validate(parse(data.decode()))
        for issue in validate(definition, KNOWN):
            assert issue.message


def expressions(data: bytes) -> None:
    """Evaluate any text as an expression."""
    with contextlib.suppress(ExpressionError):
        json.dumps(compile_expression(data.decode(errors="replace")).evaluate(SCOPE), allow_nan=False)


def templates(data: bytes) -> None:
    """Render any text."""
    with contextlib.suppress(TemplateError):
        compile_text(data.decode(errors="replace")).render(SCOPE)


def projection(data: bytes) -> None:
    """Read a part of a stored history in pieces: which one and where it is cut, byte by byte."""
    if not data:
        return
    events = HISTORIES[data[0] % len(HISTORIES)]
    found, at = Projection(), 0
    for step in data[1:]:
        found.feed(events[at : at + step])
        at += step
    found.settle()
    assert len({each.id for each in found.checkpoints}) == len(found.checkpoints)


def _histories() -> list[list[Event]]:
    async def all_of() -> list[list[Event]]:
        files = sorted((Path(__file__).parents[1] / "tests" / "histories").glob("*/*.json"))
        stored = [WorkflowHistory.from_json("execution", file.read_text()) for file in files]
        return [await read(history.events, pydantic_data_converter) for history in stored]

    return asyncio.run(all_of())


HISTORIES = _histories()
BY_NAME = {each.__name__: each for each in (validator, expressions, templates, projection)}
