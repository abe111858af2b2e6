"""What a load costs on paper: the arithmetic, and that the page shows where each figure comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))


def figures(
    measured: dict[str, tuple[float, float]], caused: dict[str, tuple[float, float]], **assumed: Any
) -> dict[str, Any]:
    """Return the figures by name; what was measured is of 1 step and of 11."""
    from sides.cost import Assumed, Cost, Line, Measured

    cpu, of = ({name: Line(1, a, 11, b) for name, (a, b) in each.items()} for each in (measured, caused))
    return {row.name: row.value for row in Cost(Measured(cpu, of), Assumed(**assumed)).rows()}


def test_a_line_is_drawn_through_few_and_many_steps_and_never_goes_below_nothing() -> None:
    from sides.cost import Line

    line = Line(1, 10.0, 11, 30.0)
    assert (line.step, line.of(1), line.of(6), line.of(21)) == (2.0, 10.0, 20.0, 50.0)
    assert Line(1, 10.0, 11, 5.0).of(100) == 0.0


def test_cores_are_those_that_the_peak_keeps_as_busy_as_planned() -> None:
    found = figures(
        {"worker": (6.0, 16.0), "sandboxes": (1.0, 1.0), "API": (3.0, 3.0), "Temporal": (12.0, 12.0)},
        {},
        executions=864_000,  # ten a second
        steps=6,
        peak=2.0,
        planned=0.5,
    )

    assert found["executions a second at the peak, E"] == 20
    assert found["steps a second at the peak"] == 120
    assert found["worker cores"] == pytest.approx(20 * (11 + 1) / 1_000 / 0.5)
    assert found["worker processes"] == 2  # one is none when it dies
    assert found["steps a second that a busy core of workers does"] == pytest.approx(6 / 0.012)
    assert found["API cores"] == pytest.approx(0.12)
    assert found["Temporal service cores"] == pytest.approx(0.48)
    assert found["PostgreSQL cores"] is None
    assert figures({"worker": (100.0, 100.0)}, {}, executions=864_000, peak=2.0, planned=0.9)["worker processes"] == 3


@pytest.mark.parametrize(("need", "number"), [(0.1, 512), (512, 512), (513, 1_024), (5_000, 8_192)])
def test_shards_are_a_power_of_two_and_enough(need: float, number: int) -> None:
    from sides.cost import shards

    assert shards(need) == number


def test_what_is_stored_grows_by_the_day_and_ends_with_its_retention() -> None:
    found = figures(
        {},
        {
            "transitions": (3.0, 33.0),
            "actions": (2.0, 12.0),
            "commits": (4.0, 4.0),
            "wal bytes": (81_920.0, 81_920.0),
            "wal syncs": (5.0, 5.0),
            "bytes temporal": (1_000.0, 3_000.0),
            "bytes temporal_visibility": (500.0, 500.0),
            "bytes blobs": (100.0, 100.0),
            "bytes cairn": (400.0, 400.0),
        },
        executions=864_000,
        steps=6,
        peak=2.0,
        write_ms=10.0,
        shard=0.1,
        history_days=2,
        rows_days=10,
        spare=2.0,
    )

    assert found["state transitions a second at the peak, T"] == 20 * 18
    assert found["shards that T needs"] == pytest.approx(20 * 18 * 0.010 / 0.1)
    assert found["history shards"] == 512
    assert found["actions a day"] == 864_000 * 7
    assert found["commits a second at the peak"] == 80
    assert found["WAL at the peak, MB/s"] == pytest.approx(20 * 81_920 / 1e6)
    assert found["writes to the disk a second at the peak"] == pytest.approx(20 * (5 + 10))
    assert found["WAL a day, GB"] == pytest.approx(864_000 * 81_920 / 1e9)
    assert found["growth a day: histories and blobs, GB"] == pytest.approx(864_000 * 2_600 / 1e9)
    assert found["growth a day: rows of Cairn, GB"] == pytest.approx(864_000 * 400 / 1e9)
    assert found["disk when it is full, GB"] == pytest.approx((2 * 2_600 + 10 * 400) * 864_000 / 1e9 * 2)


def test_what_was_not_measured_is_not_made_up() -> None:
    found = figures({}, {})

    assert {name for name, value in found.items() if value is not None} == {
        "executions a second at the peak, E",
        "steps a second at the peak",
    }


def test_bytes_of_an_execution_are_told_closer_than_the_pages_of_tables() -> None:
    from sides.cost import PAGE
    from sides.scale import CAUSED

    # A dozen tables and indexes of a side end in a page that is partly filled, before and after.
    assert all(12 * PAGE / load.at_once < 500 for load in CAUSED)


def test_actions_are_those_events_that_are_billed() -> None:
    from sides.traffic import actions
    from temporalio.api.enums.v1 import EventType
    from temporalio.api.history.v1 import HistoryEvent, MarkerRecordedEventAttributes

    kinds = ("WORKFLOW_EXECUTION_STARTED", "WORKFLOW_TASK_STARTED", "ACTIVITY_TASK_SCHEDULED", "ACTIVITY_TASK_STARTED")
    events = [HistoryEvent(event_type=EventType.Value(f"EVENT_TYPE_{kind}")) for kind in kinds]
    for name in ("core_local_activity", "core_patch"):
        events.append(HistoryEvent(marker_recorded_event_attributes=MarkerRecordedEventAttributes(marker_name=name)))

    assert actions(events) == 3
