"""From a cancellation that was accepted to the end: nothing begins any more, but in a line that a reset has made."""

from __future__ import annotations

import random

import pytest
import simulation
from graphs import noting, sequence
from simulation import Simulation

from cairn.contracts.executions import Cancel, Resume


def at(made: Simulation) -> list[str]:
    return [work.run.node_id for work in made.engine.state.in_flight.values()]


def cancelling() -> Simulation:
    """The node ``a`` has ended when the cancellation is accepted."""
    made = Simulation(sequence(noting("a"), noting("b")), random.Random(1))
    made.end_work(*made.under_way())
    made.task(Cancel(lineage=made.line))
    return made


def test_nothing_begins_once_a_cancellation_is_accepted() -> None:
    made = cancelling()
    made.wait(1)
    made.task()
    assert (at(made), made.engine.revision, made.engine.detail) == ([], 1, "cancelling")
    assert made.projected().engine.state.dump() == made.engine.state.dump()
    made.restart()
    assert at(made) == []


def test_a_line_that_a_reset_makes_later_goes_on() -> None:
    made = Simulation(sequence(noting("a"), noting("b")), random.Random(1))
    made.task(Cancel(lineage=made.line))
    made.end_work(*made.under_way())
    made.task()
    assert at(made) == []
    (checkpoint,) = [each for each in made.projected().checkpoints if each.name == "a"]
    assert checkpoint.point is not None
    made.rollback(checkpoint.point)
    made.task(Resume(lineage=made.line))
    assert at(made) == ["b"]
    assert made.projected().engine.state.dump() == made.engine.state.dump()


def test_executions_that_began_by_older_rules_go_on_until_temporal_cancels_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulation, "ENGINE", 7)
    assert at(cancelling()) == ["b"]
