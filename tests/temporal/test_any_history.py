"""The projection of a history that is cut anywhere, as it is read while it grows, and of one with any results."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
from pathlib import Path

import pytest
from graph.json_strategies import json_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from cairn.temporal.checkpoints import Projection
from cairn.temporal.damage import HistoryDamaged
from cairn.temporal.events import Commanded, Event, Landed, WorkCompleted, WorkFailed
from cairn.temporal.history import read

FOLDER = Path(__file__).parents[1] / "histories"
NAMES = sorted(f"{file.parent.name}/{file.stem}" for file in FOLDER.glob("*/*.json"))
FUZZ = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow],
)


@functools.cache
def events_of(name: str) -> list[Event]:
    history = WorkflowHistory.from_json("execution", (FOLDER / f"{name}.json").read_text())
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(read(history.events, pydantic_data_converter))
    finally:
        loop.close()


def projected(events: list[Event]) -> Projection:
    projection = Projection()
    projection.feed(events)
    projection.settle()
    return projection


@FUZZ
@given(st.sampled_from(NAMES), st.floats(0, 1), st.floats(0, 1))
def test_a_part_of_a_history_knows_a_part_of_its_checkpoints(name: str, one: float, other: float) -> None:
    events = events_of(name)
    first, second = sorted(round(share * len(events)) for share in (one, other))
    short, long = projected(events[:first]), projected(events[:second])
    ids = [checkpoint.id for checkpoint in long.checkpoints]
    assert {checkpoint.id for checkpoint in short.checkpoints} <= set(ids)
    assert len(set(ids)) == len(ids)
    assert short.last_event_id <= long.last_event_id


@FUZZ
@given(st.sampled_from(NAMES), st.data())
def test_read_in_pieces_it_says_the_same(name: str, data: st.DataObject) -> None:
    events = events_of(name)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=5)))
    pieces, whole = Projection(), projected(events)
    for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
        pieces.feed(events[start:end])
    pieces.settle()
    assert pieces.checkpoints == whole.checkpoints
    assert pieces.engine.state == whole.engine.state


@FUZZ
@given(st.sampled_from([name for name in NAMES if name.startswith("next/")]), st.data())
def test_work_may_bring_any_result(name: str, data: st.DataObject) -> None:
    events = list(events_of(name))
    done = [at for at, event in enumerate(events) if isinstance(event, WorkCompleted)]
    at = data.draw(st.sampled_from(done)) if done else None
    if at is None:
        return
    event = events[at]
    assert isinstance(event, WorkCompleted)
    value = data.draw(json_values)
    events[at] = dataclasses.replace(event, result=event.result.model_copy(update={"value": value}))
    assert projected(events[: at + 1]).last_event_id == projected(list(events_of(name))[: at + 1]).last_event_id


@FUZZ
@given(st.sampled_from(NAMES), st.data())
def test_an_event_that_comes_twice_or_out_of_turn_is_refused(name: str, data: st.DataObject) -> None:
    events = events_of(name)
    at = data.draw(st.integers(1, len(events) - 1))
    for damaged in ([*events[: at + 1], *events[at:]], [*events[: at - 1], events[at], events[at - 1]], events[at:]):
        with pytest.raises(HistoryDamaged):
            projected(damaged)


@pytest.mark.parametrize("name", NAMES)
def test_what_happens_before_the_graph_is_known_is_refused(name: str) -> None:
    events = events_of(name)
    without = [event for event in events if not isinstance(event, Landed)]
    work = any(isinstance(event, WorkCompleted | WorkFailed | Commanded) for event in events)
    with pytest.raises(HistoryDamaged) if work else contextlib.nullcontext():
        projected(without)


@FUZZ
@given(st.sampled_from(NAMES), st.data())
def test_of_a_history_that_lacks_events_is_told_what_is_there(name: str, data: st.DataObject) -> None:
    first, *events = events_of(name)
    kept = [event for event in events if isinstance(event, Landed) or data.draw(st.integers(0, 3))]
    with contextlib.suppress(HistoryDamaged):
        found = projected([first, *kept]).checkpoints
        assert {each.event_id for each in found} <= {event.id for event in (first, *kept)}
