"""Validation of large graphs: work is counted, never timed."""

from __future__ import annotations

import itertools
import sys
from typing import Any

from graph.definitions import define, edge, issues, node, told

from cairn.graph.compiled import compile_graph
from cairn.graph.model import Definition
from cairn.graph.validate import validate

START, END = node("s", "start"), node("z", "end")


def large(count: int) -> Definition:
    nodes = [START, *(node(f"n{i}", "transform", set={"x": f"state.x + {i % 50}"}) for i in range(count)), END]
    edges = [edge("s>n0"), edge(f"n{count - 1}>z", expression="true")]
    edges += [edge(f"n{i}>n{i + 1}", expression=f"state.x < {i % 50}") for i in range(count - 1)]
    edges += [{**edge(f"n{i}>n{i * 7 % count}"), "id": f"back{i}"} for i in range(count)]
    return define(nodes, edges)


def calls_of(definition: Definition) -> int:
    calls = itertools.count()

    def count(frame: Any, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            next(calls)

    previous = sys.getprofile()
    sys.setprofile(count)
    try:
        validate(definition)
    finally:
        sys.setprofile(previous)
    return next(calls)


def test_work_grows_with_the_graph_and_no_faster() -> None:
    validate(large(60))  # every expression of the graphs below is compiled now
    small, big = calls_of(large(250)), calls_of(large(2_500))
    assert big < 11 * small


def test_five_thousand_nodes_in_a_row() -> None:
    """A walk that recurses would end here."""
    assert told(validate(large(5_000))) == set()
    count = 5_000
    star = [START, *(node(f"n{i}", "condition") for i in range(count)), END]
    edges = [{**edge(f"n{i}>z"), "id": f"{i}"} for i in range(count)] + [edge(f"s>n{i}") for i in range(count)]
    assert told(issues(star, edges)) == set()


def test_parallels_in_a_row_and_nested_deep() -> None:
    count = 1_000
    nodes = [START, *(node(f"p{i}", "parallel") for i in range(count)), node("j", "join"), END]
    edges = [
        edge("s>p0"),
        *(edge(f"p{i}>p{i + 1}") for i in range(count - 1)),
        *(edge(f"p{i}>j") for i in range(count)),
    ]
    assert told(issues(nodes, [*edges, edge("j>z")])) == set()


def test_sources_are_bounded_together() -> None:
    expression, text = "input.a == '" + "x" * 2_000 + "'", "x" * 60_000
    nodes = [START, *(node(f"n{i}", "transform", set={"x": expression}) for i in range(300)), END]
    nodes += [node(f"a{i}", "agent", prompt=text) for i in range(80)]
    assert told(issues(nodes, [edge("s>z")])) == {
        ("workflow", None, None, "The expressions of a graph have together at most 524288 characters"),
        ("workflow", None, None, "The texts of a graph have together at most 4194304 characters"),
    }


def test_the_data_of_a_node_and_what_is_told_of_a_graph_are_bounded() -> None:
    variables = [{"name": "", "type": ""}] * 50_000
    start = node("s", "startCall", prompt="x", extraction_variables=variables)
    assert ("node", "s", "data", "Data has more than 100000 values") in told(issues([start], []))
    edges = [{"id": "", "source": "", "target": ""}] * 20_000
    found = issues([node("s", "startCall", prompt="x")], edges)
    assert len(found) == 50_001
    assert found[-1].message == "Validation ended after 50000 errors and warnings"


def test_a_valid_graph_compiles() -> None:
    """What the validator passes, the engine takes."""
    definition = large(50)
    assert not told(validate(definition))
    assert compile_graph(definition.model_dump(by_alias=True)).start == "s"
