"""What a reset comes to when a migration has taken away nodes whose work it goes back over."""

from __future__ import annotations

import random

from graphs import node, sequence
from simulation import REF, Simulation

from cairn.contracts.executions import Command, Migrate, Pause
from cairn.graph.engine import Engine
from cairn.temporal.checkpoints import Projection
from cairn.temporal.impact import Aftermath


class Migrated(Simulation):
    @staticmethod
    def _command(engine: Engine, command: Command, now) -> None:
        if isinstance(command, Migrate):
            engine.migrate(command)
        else:
            Simulation._command(engine, command, now)


def test_the_work_of_a_node_that_a_migration_took_away_is_told_by_its_name() -> None:
    def give(name: str, **data) -> dict:
        return node(name, "tool", tool="note", arguments={}, **data)

    undone = give("b", compensate={"tool": "undo", "arguments": {}})
    simulation = Migrated(sequence(give("a"), undone, give("c")), random.Random(1))
    for _ in range(2):
        (key,) = simulation.under_way()
        simulation.end_work(key)
        simulation.task()
    simulation.task(Pause(lineage=simulation.line))
    without = sequence(give("a"), give("c"))
    simulation.task(Migrate(lineage=simulation.line, graph=REF, definition=without, pins={}))
    checkpoint = next(c for c in simulation.projected().checkpoints if c.name == "a")
    captured = Projection(checkpoint.id)
    captured.feed(simulation.events)
    captured.settle()
    after = Aftermath([captured], checkpoint)
    assert [visit.name for visit in after.runs_again(reuse_completed=False)] == ["b", "c"]
    undos = [step.undo for step in after.rollback(reuse_completed=False) if step.undo is not None]
    assert [(undo.name, undo.tool) for undo in undos] == [("b", "undo")]
