"""What docs/graphs.md shows is true."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cairn.domain.tools import load_tools
from cairn.graph import expressions, template_filters, templates
from cairn.graph import validate as validate_module
from cairn.graph.compiled import compile_graph
from cairn.graph.expressions import compile_expression
from cairn.graph.model import Definition
from cairn.graph.nodes import KINDS
from cairn.graph.nodes.base import NodeData, RetryPolicy
from cairn.graph.nodes.voice import VOICE_KINDS
from cairn.graph.templates import compile_text
from cairn.graph.validate import ValidationContext, validate
from cairn.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "graphs.md").read_text()

SCOPE: dict[str, Any] = {
    "input": {
        "amount": 120.0,
        "query": "hello",
        "wanted": "b",
        "date": "2024-05-01T10:00:00Z",
        "customer": {"name": "Ada", "mail": "ada@example.org"},
        "items": ["y", "x"],
    },
    "state": {"approved": True, "items": [{"id": "a", "price": 9.5}, {"id": "b", "price": 20.0}]},
    "outputs": {"check-1": {"score": 0.9}},
    "execution": {"id": "e", "visits": {"check-1": 1}},
}


def blocks(kind: str) -> list[str]:
    found = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found


def lines(kind: str) -> list[str]:
    return [line for block in blocks(kind) for line in block.splitlines()]


@pytest.mark.parametrize("example", blocks("json graph"))
def test_every_graph_is_valid(example: str) -> None:
    definition = json.loads(example)
    context = ValidationContext(known_tools=frozenset(load_tools(Settings()).names()))
    assert validate(Definition.model_validate(definition), context) == []
    assert compile_graph(definition).start == "start"


@pytest.mark.parametrize("source", lines("cel"))
def test_every_expression_has_a_value(source: str) -> None:
    assert compile_expression(source).evaluate(SCOPE) is not None


def test_every_text_renders() -> None:
    assert [compile_text(source).render(SCOPE) for source in lines("text template")] == [
        "Say hello",
        "Hello Ada, you have 2 items.",
        "1. A; 2. B",
        "A large order.",
        '{"score": 0.9} x, y',
    ]


def test_every_kind_is_named() -> None:
    table = PAGE.partition("### Kinds of nodes")[2].partition("### Edges")[0]
    assert {kind for kind in KINDS if f"`{kind}`" not in table} == set()


def test_every_filter_is_named() -> None:
    listed = PAGE.partition("- Filters:")[2].partition("- Tags:")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == template_filters.FILTERS.keys() - {"tojson"}


def test_the_figures_are_right() -> None:
    assert expressions.MAX_SOURCE == 2 * 1024
    assert expressions.MAX_ITERATIONS == 10_000
    assert expressions.MAX_RESULT == 100_000
    assert expressions.MAX_COST == 50_000_000
    assert expressions.MAX_PATTERN == 256
    assert templates.MAX_SOURCE == 64 * 1024
    assert template_filters.MAX_OUTPUT == 1024 * 1024
    assert (validate_module.MAX_EXPRESSIONS, validate_module.MAX_TEXTS) == (512 * 1024, 4 * 1024 * 1024)
    retry = RetryPolicy()
    assert (retry.max_attempts, retry.initial_interval, retry.backoff, retry.max_interval) == (3, 1, 2, 60)
    assert NodeData(name="x").max_visits == 100
    own = {kind.type for kind in VOICE_KINDS}
    assert {k.timeout for k in KINDS.values() if k.activity is not None and k.type not in own} == {300}
