"""Timeouts of children and of waits for a time: they end the work, and lead on by the edge for it."""

from __future__ import annotations

import random

import pytest
import simulation
from graphs import edge, node, noting, sequence
from simulation import Simulation

from cairn.contracts.executions import Pause, Phase, Resume
from cairn.graph.model import Definition
from cairn.graph.state import ExecutionState
from cairn.graph.validate import validate

BODY = sequence(noting("i"))
SLOW = {
    "subgraph": node("slow", "subgraph", workflow_id="other", timeout=60),
    "map": node("slow", "map", items="[1, 2]", body=BODY, timeout=60),
    "seconds": node("slow", "wait", seconds=3600, timeout=60),
    "until": node("slow", "wait", until="'2027-01-01T00:00:00Z'", timeout=60),
}


def graph(slow: dict, **late) -> dict:
    """The slow node, with a way for when it takes too long."""
    return {
        "nodes": [node("start", "start"), slow, noting("late"), node("end", "end", output={"of": "outputs.slow"})],
        "edges": [edge("start", "slow"), edge("slow", "end"), edge("slow", "late", **late), edge("late", "end")],
    }


def begun(definition: dict) -> Simulation:
    """The execution at its slow node."""
    made = Simulation(definition, random.Random(1))
    assert at(made) == ["slow"]
    return made


def at(made: Simulation) -> list[str]:
    return [work.run.node_id for work in made.engine.state.in_flight.values()]


def known(made: Simulation) -> None:
    """The fold of the history knows the same, and it survives a new run."""
    told = made.engine.state.dump()
    assert made.projected().engine.state.dump() == told
    assert ExecutionState.load(told).dump() == told


@pytest.mark.parametrize("kind", SLOW)
def test_a_node_that_takes_too_long_goes_the_way_of_a_timeout(kind: str) -> None:
    made = begun(graph(SLOW[kind], on="timeout"))
    made.wait(59)
    made.task()
    assert at(made) == ["slow"]
    known(made)
    made.wait(1)
    made.task()
    assert at(made) == ["late"]
    assert made.engine.state.outputs["slow"]["error"]["code"] == "timeout"
    known(made)


@pytest.mark.parametrize("kind", SLOW)
def test_without_such_an_edge_it_fails_the_execution(kind: str) -> None:
    made = begun(sequence(SLOW[kind]))
    made.wait(60)
    made.task()
    assert made.engine.phase is Phase.FAILED
    assert made.engine.failure is not None
    assert (made.engine.failure.code, made.engine.failure.node_id) == ("timeout", "slow")


def test_a_wait_for_a_time_that_is_cut_short_goes_the_way_that_its_author_named() -> None:
    slow = SLOW["seconds"]
    named = graph({**slow, "data": {**slow["data"], "on_timeout": "late"}}, label="late", expression="false")
    made = begun(named)
    made.wait(60)
    made.task()
    assert made.engine.state.outputs["slow"] is None
    made.end_work(made.under_way()[0])  # its checkpoint
    made.task()
    assert at(made) == ["late"]


def test_a_wait_for_a_time_that_comes_before_its_timeout_ends_well() -> None:
    made = begun(graph(node("slow", "wait", seconds=30, timeout=60), on="timeout"))
    made.wait(30)
    made.task()
    assert "late" not in at(made)
    assert made.engine.state.outputs["slow"] is None


def test_a_child_that_ends_in_time_is_not_timed_out() -> None:
    made = begun(graph(SLOW["subgraph"], on="timeout"))
    made.end_work(next(iter(made.engine.state.in_flight)))
    made.wait(60)
    made.task()
    assert "late" not in at(made)
    assert "total" in made.engine.state.outputs["slow"]


def test_the_clock_of_a_child_goes_on_in_a_pause_and_the_timeout_is_taken_at_the_resume() -> None:
    made = begun(graph(SLOW["subgraph"], on="timeout"))
    made.task(Pause(lineage=made.line))
    made.wait(3600)
    made.task()
    assert at(made) == ["slow"]
    made.task(Resume(lineage=made.line))
    assert at(made) == ["late"]
    known(made)


def test_a_child_after_a_rollback_to_before_it_has_all_its_time_again() -> None:
    made = begun(graph(SLOW["subgraph"], on="timeout"))
    made.wait(60)
    made.task()
    made.rollback(made.projected().checkpoints[0].point or 0)
    made.task(Resume(lineage=made.line))
    made.wait(59)
    made.task()
    assert at(made) == ["slow"]
    made.wait(1)
    made.task()
    assert at(made) == ["late"]
    known(made)


@pytest.mark.parametrize("kind", SLOW)
def test_an_execution_that_began_before_these_timeouts_were_heeded_has_none(kind: str, monkeypatch) -> None:
    monkeypatch.setattr(simulation, "ENGINE", 3)
    made = begun(graph(SLOW[kind], on="timeout"))
    made.wait(60)
    made.task()
    assert at(made) == ["slow"]


@pytest.mark.parametrize("kind", ["subgraph", "map"])
def test_a_retry_of_a_child_is_refused_and_an_error_edge_is_named(kind: str) -> None:
    slow = SLOW[kind]
    definition = sequence({**slow, "data": {**slow["data"], "retry": {"max_attempts": 7}}})
    said = [issue for issue in validate(Definition.model_validate(definition)) if issue.field == "data.retry"]
    assert [(issue.kind, issue.id, issue.severity) for issue in said] == [("node", "slow", "error")]
    assert "error edge" in said[0].message or "edge with on: error" in said[0].message
    assert not [i for i in validate(Definition.model_validate(sequence(slow))) if i.field == "data.retry"]
