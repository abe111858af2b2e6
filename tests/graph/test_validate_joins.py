"""Joins that cannot succeed are refused, and no others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from graphs import edge, node, noting
from machine import Machine

from cairn.graph.model import Definition
from cairn.graph.validate import validate
from cairn.graph.validate_joins import MAX_STEPS

APART = "Branches of this Parallel lead to Joins that are not the same: "


def graph(joins: dict[str, dict[str, Any]], ways: str, ends: Iterable[str] = ("end",)) -> dict[str, Any]:
    """A graph from ``a>b`` pairs: p… are parallels, c… conditions, joins and ends are given, others are tools."""
    pairs = [pair.split(">") for pair in ways.split()]
    nodes: dict[str, Any] = {}
    for name in (each for pair in pairs for each in pair):
        kind = {"p": "parallel", "c": "condition"}.get(name[0])
        kind = "join" if name in joins else "end" if name in ends else "start" if name == "start" else kind
        nodes[name] = node(name, kind, **joins.get(name, {})) if kind else noting(name)
    held = {"expression": "input.n > 1"}
    edges = [edge(*pair, **(held if pair[0][0] == "c" and number % 2 else {})) for number, pair in enumerate(pairs)]
    return {"nodes": list(nodes.values()), "edges": edges}


def found(definition: dict[str, Any], severity: str = "error") -> set[tuple[str | None, str | None, str]]:
    issues = validate(Definition.model_validate(definition))
    return {(i.id, i.field, i.message) for i in issues if i.severity == severity}


TWO = "start>p p>a p>b a>j b>k j>end k>end"


def test_branches_that_meet_at_two_joins_fail_when_they_run() -> None:
    definition = graph({"j": {}, "k": {}}, TWO)
    m = Machine(definition)
    m.advance()
    m.done("a")
    m.done("b")
    assert m.state.failure is not None
    assert (m.state.failure.code, m.state.failure.node_id) == ("join_mismatch", "k")
    assert found(definition) == {("p", None, APART + "'j' and 'k'")}


def test_three_branches_have_to_have_one_join_in_common() -> None:
    ways = "start>p p>ca p>cb p>cd ca>j ca>k cb>k cb>l cd>l cd>j j>end k>end l>end"
    assert found(graph({"j": {}, "k": {}, "l": {}}, ways)) == {("p", None, APART + "'j', 'k' and 'l'")}


@pytest.mark.parametrize(
    "joins",
    [{"j": {"mode": "any"}, "k": {}}, {"j": {}, "k": {"mode": 1}}, {"j": {"on_error": "collect"}, "k": {}}],
)
def test_where_one_join_may_go_on_before_the_other_branch_comes_it_is_a_warning(joins: dict[str, Any]) -> None:
    definition = graph(joins, TWO)
    assert found(definition) == set()
    assert found(definition, "warning") == {("p", None, APART + "'j' and 'k'")}


@pytest.mark.parametrize(
    "ways",
    [
        "start>p p>a p>b a>j b>c c>k c>j j>end k>end",  # b may come to both
        "start>p p>a p>b a>end b>j j>end",  # a comes to none
        "start>p p>a p>b a>j b>q q>end j>k k>end start2>k",  # k is after j
        "start>p p>p2 p>a p2>b p2>d b>j d>j j>k a>k k>end",  # a parallel inside a branch
        "start>p p>p2 p>a p2>b p2>d b>end d>end a>k k>end",  # one that meets nowhere
        "start>p p>a p>b a>c b>j c>a c>j j>end",  # a loop in a branch
        "start>p p>a p>b a>j b>j j>c c>p c>k k>end",  # a join in a loop around the parallel
    ],
)
def test_what_may_succeed_is_no_error(ways: str) -> None:
    said = found(graph({"j": {}, "k": {}}, ways))
    assert {each for each in said if "Join" in each[2] and "no branch" not in each[2]} == set()


def test_a_branch_that_may_end_before_is_a_warning() -> None:
    definition = graph({"j": {}, "k": {}}, "start>p p>a p>b a>j b>c c>end c>k j>end k>end")
    assert found(definition) == set()
    assert found(definition, "warning") == {("p", None, APART + "'j' and 'k'")}


def test_a_join_is_held_against_the_branches_that_come_to_it() -> None:
    more = "start>p p>a p>b a>j b>j j>p2 p2>d p2>e p2>f d>k e>k f>k k>end"
    definition = graph({"j": {"mode": 3}, "k": {"mode": 3}}, more)
    m = Machine(definition)
    m.advance()
    m.done("a")
    m.done("b")
    assert m.state.failure is not None and m.state.failure.code == "branches_failed"
    assert found(definition) == {("j", "data.mode", "Join waits for 3 branches, but Parallel 'p' sends it 2")}
    assert found(graph({"j": {"mode": 2}, "k": {"mode": 3}}, more)) == set()


def test_branches_that_end_elsewhere_do_not_count() -> None:
    definition = graph({"j": {"mode": 3}}, "start>p p>a p>b p>d a>j b>j d>end j>end")
    assert found(definition) == {("j", "data.mode", "Join waits for 3 branches, but Parallel 'p' sends it 2")}


def test_a_join_of_two_parallels_that_one_of_them_fills_is_a_warning() -> None:
    ways = "start>c c>p c>p2 p>a p>b p2>d p2>e p2>f a>j b>j d>j e>j f>j j>end"
    definition = graph({"j": {"mode": 3}}, ways)
    assert found(definition) == set()
    assert found(definition, "warning") == {
        ("j", "data.mode", "Join waits for 3 branches, but Parallel 'p' sends it 2")
    }


def test_a_join_may_be_that_of_the_parallel_inside() -> None:
    # meet is the join of p2: what comes after it ends the branch of p
    definition = graph({"j": {"mode": 2}}, "start>p p>a p>p2 p2>b p2>d a>end b>j d>j j>end")
    assert found(definition) == set()


def test_a_great_graph_is_looked_at_in_time() -> None:
    count = 2_000
    ways = " ".join(f"p{i}>a{i} p{i}>p{(i + 1) % count}" for i in range(count))
    definition = graph({"j": {}}, f"start>p0 {ways} a0>j j>end")
    assert found(definition) == set() and MAX_STEPS <= 1_000_000
