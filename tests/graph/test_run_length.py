"""When an execution goes on in a new run: what is under way may end first, and holds up nobody for long."""

from __future__ import annotations

from datetime import datetime, timedelta

from graphs import edge, node, noting
from machine import NOW

from cairn.contracts.executions import ExecutionInput, GraphRef
from cairn.contracts.nodes import NodeResult
from cairn.contracts.operations import Landing
from cairn.graph.compiled import compile_graph
from cairn.graph.engine import Engine
from cairn.graph.run_length import HARD_BYTES, MOMENT
from cairn.graph.state import Turn

REF = GraphRef(workflow_id="w", version_id=1, version=1, digest="d")


def beside_slow_work(*, engine: int = 3) -> Engine:
    """A loop beside a node that takes long, in a run that is to have 100 events."""
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            noting("slow"),
            noting("quick", max_visits=1000),
            node("meet", "join"),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "slow", "slow"),
            edge("fan", "quick", "quick"),
            edge("quick", "quick", "again", expression="execution.visits.quick < 1000"),
            edge("quick", "meet", "done"),
            edge("slow", "meet"),
            edge("meet", "end"),
        ],
    }
    made = Engine(ExecutionInput(execution_id="e", tenant="t", graph=REF), "e")
    made.begin(compile_graph(graph), Landing(run_id="r1", engine=engine, history_limit=100))
    made.landed(Landing(run_id="r1"))
    made.turn(NOW, 5)
    return made


def finish(made: Engine, node_id: str) -> None:
    key = next(key for key, work in made.state.in_flight.items() if work.run.node_id == node_id)
    made.complete(key, NodeResult(value=1))


def round_(made: Engine, now: datetime, length: int, **more) -> Turn:
    """The quick node ends."""
    finish(made, "quick")
    return made.turn(now, length, **more)


def begun(turn: Turn) -> list[str]:
    return [work.node_id for work in turn.works]


def test_a_loop_goes_on_beside_slow_work_when_the_run_is_long() -> None:
    made = beside_slow_work()
    assert begun(round_(made, NOW, 99)) == ["quick"]
    turn = round_(made, NOW, 105)
    assert (begun(turn), turn.go_on, turn.wake_at) == ([], False, NOW + MOMENT)
    turn = made.turn(NOW + MOMENT, 110)
    assert (begun(turn), turn.go_on) == (["quick"], False)
    assert begun(round_(made, NOW + MOMENT, 116)) == ["quick"]
    assert begun(round_(made, NOW + timedelta(hours=1), 190)) == ["quick"]


def test_it_goes_on_in_a_new_run_as_soon_as_nothing_is_under_way() -> None:
    made = beside_slow_work()
    assert begun(round_(made, NOW, 99)) == ["quick"]
    round_(made, NOW, 105)
    made.turn(NOW + MOMENT, 110)
    finish(made, "slow")
    turn = made.turn(NOW + MOMENT, 120)
    assert (begun(turn), turn.go_on) == ([], False)
    turn = round_(made, NOW + MOMENT, 126)
    assert (begun(turn), turn.go_on) == ([], True)


def test_branches_that_are_always_busy_are_held_for_a_moment_again_and_again() -> None:
    made = beside_slow_work()
    round_(made, NOW, 105)
    made.turn(NOW + MOMENT, 110)
    later = NOW + timedelta(minutes=1)
    assert begun(round_(made, later, 204)) == ["quick"]
    turn = round_(made, later, 210)
    assert (begun(turn), turn.wake_at) == ([], later + MOMENT)
    finish(made, "slow")
    assert made.turn(later + MOMENT / 2, 216).go_on


def test_at_the_hard_limit_everything_waits_for_what_is_under_way() -> None:
    made = beside_slow_work()
    round_(made, NOW, 105)
    made.turn(NOW + MOMENT, 110)
    hour = NOW + timedelta(hours=1)
    turn = round_(made, hour, 300)
    assert (begun(turn), turn.go_on, turn.wake_at) == ([], False, None)
    assert begun(made.turn(hour + timedelta(days=1), 302)) == []
    finish(made, "slow")
    assert made.turn(hour + timedelta(days=1), 305).go_on


def test_bytes_have_a_hard_limit_too() -> None:
    made = beside_slow_work()
    round_(made, NOW, 105)
    assert begun(made.turn(NOW + MOMENT, 110, size=HARD_BYTES - 1)) == ["quick"]
    assert begun(round_(made, NOW + timedelta(hours=1), 116, size=HARD_BYTES)) == []


def test_what_temporal_suggests_is_a_soft_limit_as_well() -> None:
    made = beside_slow_work()
    assert begun(round_(made, NOW, 50, suggested=True)) == []
    assert begun(made.turn(NOW + MOMENT, 55, suggested=True)) == ["quick"]
    assert begun(round_(made, NOW + MOMENT, 60, suggested=True)) == ["quick"]


def test_a_reset_begins_to_count_anew() -> None:
    made = beside_slow_work()
    round_(made, NOW, 105)
    made.reset()
    made.landed(Landing(run_id="r2"))
    made.phase = made.phase.RUNNING
    assert begun(made.turn(NOW, 50)) == ["quick"]


def test_earlier_engines_wait_for_slow_work_at_once() -> None:
    made = beside_slow_work(engine=2)
    turn = round_(made, NOW, 105)
    assert (begun(turn), turn.wake_at) == ([], None)
    turn = made.turn(NOW + timedelta(hours=1), 110)
    assert (begun(turn), turn.wake_at) == ([], None)
