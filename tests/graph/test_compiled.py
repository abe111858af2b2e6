"""Graphs that executions share."""

from __future__ import annotations

from copy import deepcopy

from graphs import node, sequence

from cairn.contracts.json import digest
from cairn.graph.compiled import compiled


def test_a_definition_is_made_ready_once_for_its_digest() -> None:
    one, other = (
        sequence(node("a", "code", code="def run(input, state): return 1")),
        sequence(node("a", "agent", prompt="?")),
    )
    graph = compiled(one, digest(one))
    assert compiled(deepcopy(one), digest(one)) is graph
    assert compiled(other, digest(other)).nodes["a"].kind.type == "agent"
    assert compiled(one, digest(one)) is graph
