"""Graphs that executions share."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from graphs import node, sequence

from cairn.contracts.json import digest
from cairn.graph.compiled import GraphNotExecutable, compile_graph, compiled
from cairn.graph.model import Definition
from cairn.graph.validate import validate


def test_a_definition_is_made_ready_once_for_its_digest() -> None:
    one, other = (
        sequence(node("a", "code", code="def run(input, state): return 1")),
        sequence(node("a", "agent", prompt="?")),
    )
    graph = compiled(one, digest(one))
    assert compiled(deepcopy(one), digest(one)) is graph
    assert compiled(other, digest(other)).nodes["a"].kind.type == "agent"
    assert compiled(one, digest(one)) is graph


@pytest.mark.parametrize(
    ("kind", "member", "value"),
    [
        ("agent", "subagents", "mine"),
        ("agent", "subagents", [{"id": 1}]),
        ("agent", "questions", ["What?"]),
        ("agent", "questions", True),
        ("tool", "repeatable", "yes"),
        ("tool", "repeatable", 1),
    ],
)
def test_a_member_of_its_authors_own_that_is_the_engines_by_now_is_refused_by_name(
    kind: str, member: str, value: Any
) -> None:
    needed = {"agent": {"prompt": "Say it"}, "tool": {"tool": "echo"}}[kind]
    graph = sequence(node("a", kind, **needed, **{member: value}))
    assert any(
        issue.id == "a" and (issue.field or "").startswith(f"data.{member}")
        for issue in validate(Definition.model_validate(graph))
    )
    with pytest.raises(GraphNotExecutable, match=rf"node 'a' is not valid: data\.{member}"):
        compile_graph(graph)
