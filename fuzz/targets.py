"""What is fuzzed. Each takes bytes; what it raises is a fault."""

from __future__ import annotations

import contextlib
import json
from itertools import pairwise
from typing import Any

from cairn.contracts.json import parse
from cairn.graph.expressions import ExpressionError, compile_expression
from cairn.graph.model import Definition
from cairn.graph.templates import TemplateError, compile_text
from cairn.graph.validate import ValidationContext, validate
from cairn.temporal.checkpoints import Projection
from cairn.temporal.damage import HistoryDamaged
from fuzz.histories import DAMAGE, HARMLESS, HISTORIES, bent, told, with_payload

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
    """Read a stored history in pieces, and damaged.

    Tools and code may bring anything, and of some events nobody knows that they are missing. What stands twice or out
    of turn, or before the graph is known, is refused, and so are results of foreign forms; nothing else is.
    """
    if not data:
        return
    history, script = HISTORIES[data[0] % len(HISTORIES)], data[1:]
    pieces = list(told(history, script))
    ids = [event.id for piece in pieces for event in piece]
    in_order = all(before < after for before, after in pairwise(ids))
    found = Projection()
    try:
        for piece in pieces:
            found.feed(piece)
        found.settle()
        assert len({each.id for each in found.checkpoints}) == len(found.checkpoints)
    except HistoryDamaged:
        assert any(what % len(DAMAGE) >= HARMLESS for what in script[::2])
    else:
        assert in_order


def payloads(data: bytes) -> None:
    """Read a stored history with one payload that was cut, or is bent: it is read, or refused."""
    if len(data) < 5:
        return
    number, which, much, (how, *end) = data[0], int.from_bytes(data[1:3]), data[3], data[4:]

    def made(payload: bytes) -> bytes:
        if how == 0:
            return payload[: len(payload) * much // 255] + bytes(end)
        return json.dumps(
            bent(json.loads(payload or "null"), int.from_bytes(bytes([much, *end[:1]])), how - 1)
        ).encode()

    found = Projection()
    with contextlib.suppress(HistoryDamaged):
        found.feed(with_payload(HISTORIES[number % len(HISTORIES)], which, made))
        found.settle()
        found.ended_unseen()
        for each in found.checkpoints:
            found.state_at(each)


BY_NAME = {each.__name__: each for each in (validator, expressions, templates, projection, payloads)}
