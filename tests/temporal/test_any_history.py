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

from cairn.contracts.calls import SPEAK
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import RUN_SEGMENT
from cairn.temporal.checkpoints import Projection
from cairn.temporal.damage import SHAPED, HistoryDamaged
from cairn.temporal.events import Commanded, Event, Landed, Started, WorkCompleted, WorkFailed
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


@functools.cache
def activity_of(name: str, scheduled_id: int) -> str:
    history = WorkflowHistory.from_json("execution", (FOLDER / f"{name}.json").read_text())
    return history.events[scheduled_id - 1].activity_task_scheduled_event_attributes.activity_type.name


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


@pytest.mark.parametrize("activity", SHAPED)
@pytest.mark.parametrize("value", [None, True, -1, "text", [], [1, [{}]]], ids=repr)
def test_a_result_of_a_foreign_form_is_refused(activity: str, value: Json) -> None:
    refused = 0
    for name in NAMES:
        events = events_of(name)
        for at, event in enumerate(events):
            if isinstance(event, WorkCompleted) and activity_of(name, event.scheduled_id) == activity:
                other = dataclasses.replace(event, result=event.result.model_copy(update={"value": value}))
                with pytest.raises(HistoryDamaged, match="brought has not the form"):
                    _ = projected([*events[:at], other, *events[at + 1 :]]).checkpoints
                refused += 1
    assert refused


@pytest.mark.parametrize("member", ["calls", "history", "text", "transitions", "done", "checkpoint", "node_id"])
def test_a_result_that_lacks_a_part_is_refused(member: str) -> None:
    refused = 0
    for name in NAMES:
        events = events_of(name)
        for at, event in enumerate(events):
            value = event.result.value if isinstance(event, WorkCompleted) else None
            if (
                isinstance(event, WorkCompleted)
                and activity_of(name, event.scheduled_id) in (SPEAK.name, RUN_SEGMENT.name)
                and member in value
            ):
                rest = {key: each for key, each in value.items() if key != member}
                other = dataclasses.replace(event, result=event.result.model_copy(update={"value": rest}))
                with pytest.raises(HistoryDamaged):
                    _ = projected([*events[:at], other, *events[at + 1 :]]).checkpoints
                refused += 1
    assert refused


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b'{"value": "\\ud800"}', b'{"usage": 1}'], ids=repr)
def test_a_result_that_cannot_be_read_is_refused(data: bytes) -> None:
    name = next(each for each in NAMES if any(isinstance(event, WorkCompleted) for event in events_of(each)))
    history = WorkflowHistory.from_json("execution", (FOLDER / f"{name}.json").read_text())
    done = next(each for each in history.events if each.HasField("activity_task_completed_event_attributes"))
    done.activity_task_completed_event_attributes.result.payloads[0].data = data
    with pytest.raises(HistoryDamaged, match=f"event {done.event_id} "):
        asyncio.run(read(history.events, pydantic_data_converter))


def test_an_encoding_that_nobody_knows_is_refused() -> None:
    history = WorkflowHistory.from_json("execution", (FOLDER / f"{NAMES[0]}.json").read_text())
    started = history.events[0].workflow_execution_started_event_attributes
    started.input.payloads[0].metadata["encoding"] = b"json/other"
    with pytest.raises(HistoryDamaged, match="event 1 "):
        asyncio.run(read(history.events, pydantic_data_converter))


@pytest.mark.parametrize("carried", [{}, {"state": {}}, {"state": None}], ids=repr)
def test_a_run_that_goes_on_from_nothing_is_refused(carried: JsonObject) -> None:
    refused = 0
    for name in NAMES:
        first, *events = events_of(name)
        if isinstance(first, Started) and first.start.carry is not None:
            start = first.start.model_copy(update={"carry": carried})
            with pytest.raises(HistoryDamaged):
                projected([dataclasses.replace(first, start=start), *events])
            refused += 1
    assert refused


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
