"""Random graphs and random commands: the same comes of them as of a plain model, and history tells the same state."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import Block, Model, definition_of, programs, value_of
from simulation import Simulation

from cairn.contracts.executions import Answer, Pause, Phase, Resume
from cairn.graph.model import Definition
from cairn.graph.state import ExecutionState
from cairn.graph.validate import validate


def same(simulation: Simulation) -> None:
    """The fold of the history is what the workflow knows, and what it knows can be dumped and loaded."""
    engine, projected = simulation.engine, simulation.projected().engine
    told = engine.state.dump()
    assert projected.state.dump() == told
    assert (projected.phase, projected.lineage, projected.revision) == (engine.phase, engine.lineage, engine.revision)
    assert projected.detail == engine.detail
    assert ExecutionState.load(told).dump() == told


def something(simulation: Simulation, data: st.DataObject) -> None:
    """One thing happens."""
    possible = ["task", "pause", "resume", "restart", "rollback", "time", "early", "hold"]
    what = data.draw(st.sampled_from(possible + ["rollback"] + ["work"] * 5))
    paused = simulation.engine.phase is Phase.PAUSED
    match what:
        case "pause" if not paused:
            simulation.task(Pause(lineage=simulation.line))
        case "resume" if paused:
            simulation.task(Resume(lineage=simulation.line))
        case "restart":
            simulation.restart()
        case "rollback":
            points = [c.point for c in simulation.projected().checkpoints if c.point is not None]
            if points:
                simulation.rollback(data.draw(st.sampled_from(points)))
        case "hold":
            keys = simulation.under_way()
            for key in simulation.order.sample(keys, min(2, len(keys))):
                simulation.hold_work(key)
            go_on(simulation, data.draw(st.integers(0, 1)))
        case "time":
            simulation.wait(0.1)
        case "task":
            simulation.task()
        case _:
            go_on(simulation, data.draw(st.integers(1, 3)))


def go_on(simulation: Simulation, most: int = 100) -> None:
    """Some of the work under way ends, people answer, what is waited for happens."""
    keys = simulation.under_way()
    for key in simulation.order.sample(keys, min(most, len(keys))):
        simulation.end_work(key)
    for wait in simulation.waits("event"):
        simulation.send(wait.node_id, wait.visit, value_of(wait.node_id, wait.visit))
    answers = []
    for wait in (*simulation.waits("question"), *simulation.waits("approval")):
        number = value_of(wait.node_id, wait.visit)
        value = number if wait.what == "question" else {"decision": "approved"}
        answers.append(Answer(lineage=simulation.line, request_id=wait.request_id or "", value=value))
    simulation.wait(0.1)
    simulation.task(*answers)


@pytest.mark.timeout(600)
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(program=programs(asking=True), seed=st.integers(0, 2**32), data=st.data())
def test_whatever_happens_on_the_way_the_same_comes_of_it(program: Block, seed: int, data: st.DataObject) -> None:
    definition = definition_of(program)
    assert not [i for i in validate(Definition.model_validate(definition)) if i.severity == "error"]
    expected = Model(program).outcome
    simulation = Simulation(definition, random.Random(seed))
    same(simulation)
    for _ in range(data.draw(st.integers(3, 25))):
        something(simulation, data)
        same(simulation)
        if simulation.engine.phase in (Phase.COMPLETED, Phase.FAILED):
            break
    for _ in range(500):
        if simulation.engine.phase in (Phase.COMPLETED, Phase.FAILED):
            break
        if simulation.engine.phase is Phase.PAUSED:
            simulation.task(Resume(lineage=simulation.line))
        go_on(simulation)
    same(simulation)
    assert simulation.engine.phase is (Phase.FAILED if expected.failed else Phase.COMPLETED)
    if not expected.failed:
        assert simulation.engine.state.output == {"total": expected.total}
