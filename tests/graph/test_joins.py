"""Joins that wait for all, any or some branches, and what becomes of failures and of the branches left behind."""

from __future__ import annotations

import pytest
from graphs import edge, node, noting, sequence
from machine import NOW, Machine, diamond

from cairn.graph.model import Definition
from cairn.graph.validate import validate


def nested(inner: dict, outer: dict) -> dict:
    """A parallel (l, and inside of it a and b) with two joins."""
    return {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            noting("l"),
            node("fan2", "parallel"),
            noting("a"),
            noting("b"),
            node("meet2", "join", **inner),
            node("meet", "join", **outer),
            node("end", "end", output={"all": "outputs.meet"}),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "l", "left"),
            edge("fan", "fan2", "right"),
            edge("fan2", "a", "a"),
            edge("fan2", "b", "b"),
            edge("a", "meet2"),
            edge("b", "meet2"),
            edge("meet2", "meet"),
            edge("l", "meet"),
            edge("meet", "end"),
        ],
    }


def machine(definition: dict) -> Machine:
    made = Machine(definition)
    made.state.engine = 2
    return made


def test_any_goes_on_with_the_first_and_drops_the_others() -> None:
    m = machine(diamond(mode="any"))
    assert m.advance() == ["l", "r"]
    m.done("r", 2)
    assert m.state.output == {"all": {"right": 2}}
    assert m.state.ended
    assert not m.state.in_flight
    m.done("l", 1)
    assert m.state.outputs.get("l") is None


def test_a_number_of_branches_is_enough() -> None:
    graph = diamond(mode=2)
    graph["nodes"].append(noting("m"))
    graph["edges"] += [edge("fan", "m", "middle"), edge("m", "meet")]
    m = machine(graph)
    m.advance()
    m.done("m", 3)
    assert not m.state.ended
    m.done("l", 1)
    assert m.state.output == {"all": {"middle": 3, "left": 1}}


def test_a_failure_fails_the_whole_at_once_unless_it_is_collected() -> None:
    m = machine(diamond())
    m.advance()
    m.failed("l")
    assert m.state.failure is not None
    m = machine(diamond(on_error="collect"))
    m.advance()
    m.failed("l")
    assert not m.state.ended
    m.done("r", 2)
    error = {"code": "broken", "message": "it broke", "attempt": 2, "node_id": "l"}
    assert m.state.output == {"all": {"left": {"error": error}, "right": 2}}


def test_any_that_collects_goes_on_with_the_first_success() -> None:
    m = machine(diamond(mode="any", on_error="collect"))
    m.advance()
    m.failed("l")
    assert not m.state.ended
    m.done("r", 2)
    assert m.state.output["all"]["right"] == 2


def test_too_few_successes_fail_the_join() -> None:
    m = machine(diamond(mode="any", on_error="collect"))
    m.advance()
    m.failed("l")
    m.failed("r")
    assert m.state.failure.code == "branches_failed"
    assert m.state.failure.node_id == "meet"


def test_a_failure_goes_outwards_to_the_join_that_collects_and_takes_its_siblings_with_it() -> None:
    m = machine(nested({}, {"on_error": "collect"}))
    assert m.advance() == ["l", "a", "b"]
    m.failed("a")
    assert [work.run.node_id for work in m.state.in_flight.values()] == ["l"]
    m.done("l", 1)
    assert m.state.output["all"]["left"] == 1
    assert m.state.output["all"]["right"]["error"]["node_id"] == "a"


def test_dropping_a_branch_drops_the_parallel_inside_of_it() -> None:
    m = machine(nested({}, {"mode": "any"}))
    m.advance()
    m.done("a", 1)
    m.done("l", 2)
    assert m.state.ended
    assert not m.state.forks
    assert m.state.output == {"all": {"left": 2}}


@pytest.mark.parametrize("mode", [0, -1, "some", 1.5, True])
def test_other_modes_are_refused(mode) -> None:
    issues = validate(Definition.model_validate(diamond(mode=mode)))
    assert any(issue.field.startswith("data.mode") for issue in issues if issue.field)


def test_a_join_that_waits_for_more_branches_than_there_are_is_refused() -> None:
    issues = validate(Definition.model_validate(diamond(mode=3)))
    assert [(i.id, i.field) for i in issues if i.severity == "error"] == [("meet", "data.mode")]


def test_a_join_that_no_branch_reaches_is_refused() -> None:
    graph = sequence(noting("a"), node("meet", "join"))
    assert any("no branch" in i.message for i in validate(Definition.model_validate(graph)) if i.severity == "error")


def test_of_engine_1_a_failure_is_never_collected() -> None:
    m = Machine(diamond(on_error="collect"))
    m.advance(NOW)
    m.failed("l")
    assert m.state.failure is not None
