"""The way of an execution in its picture, read from stored histories: checkpoints, what is under way, and how long."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from graphs import node, sequence
from phone import pizzeria
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from cairn.domain.diagrams.layout import plain
from cairn.domain.diagrams.mermaid import mermaid
from cairn.domain.diagrams.model import Picture, picture_of
from cairn.domain.diagrams.svg import sizes, svg
from cairn.domain.diagrams.way import TakenWay, Worked, marked
from cairn.temporal.checkpoints import Projection
from cairn.temporal.events import Event, WorkCompleted, WorkScheduled
from cairn.temporal.history import read

FOLDER = Path(__file__).parent.parent / "histories"


async def events_of(name: str) -> list[Event]:
    told = (FOLDER / f"{name}.json").read_text()
    begun = json.loads(told)["events"][0]["workflowExecutionStartedEventAttributes"]
    history = WorkflowHistory.from_json(begun.get("workflowId", "execution"), told)
    return list(await read(history.events, pydantic_data_converter))


def taken(events: list[Event]) -> TakenWay:
    projection = Projection()
    projection.feed(events)
    projection.settle()
    way = TakenWay(checkpoints=projection.checkpoints)
    way.add("execution", events, "", None)
    return way


def states(picture: Picture) -> dict[str, str]:
    return {box.id: box.state for box in picture.boxes}


def drawn(picture: Picture) -> str:
    found, edges = sizes(picture)
    return svg(picture, plain(found, edges), found)


@pytest.mark.parametrize(("name", "at_start"), [("call", 2), ("call_rollback", 3)])
async def test_every_checkpoint_of_a_call_is_marked(name: str, at_start: int) -> None:
    way = taken(await events_of(f"next/{name}"))
    picture = marked(picture_of(pizzeria(), "call"), way)
    marks = {box.id: [mark.id for mark in box.marks] for box in picture.boxes}
    assert sorted(mark for ids in marks.values() for mark in ids) == sorted(each.id for each in way.checkpoints)
    assert len(marks["hello"]) == at_start
    text = drawn(picture)
    told = [each for ids in re.findall(r'data-checkpoints="([^"]*)"', text) for each in ids.split()]
    assert sorted(told) == sorted(each.id for each in way.checkpoints)
    steps = [box.marks for box in picture.boxes]
    assert all([mark.step for mark in marks] == sorted(mark.step for mark in marks) for marks in steps)
    told = [
        each
        for ids in re.findall(r"◆ ([\d, ]+)", html.unescape(mermaid(picture).replace("#", "&#")))
        for each in ids.split(", ")
    ]
    assert sorted(int(each) for each in told) == sorted(each.step for each in way.checkpoints)


def until_event(events: list[Event], number: int) -> list[Event]:
    return [event for event in events if event.id <= number]


async def test_a_call_is_under_way_where_it_stands_alone() -> None:
    events = await events_of("next/call_rollback")
    picture = picture_of(pizzeria(), "call")
    planned = dict.fromkeys(("hello", "order", "table", "bye"), "planned")
    for event_id, expected in (
        (5, {"hello": "running"}),  # it listens
        (13, {"hello": "running"}),  # it speaks
        (53, {"hello": "reached", "table": "running"}),  # it has moved on
        (79, {"hello": "reached", "table": "reached"}),  # it was cancelled
    ):
        assert states(marked(picture, taken(until_event(events, event_id)))) == planned | expected, event_id


async def test_nothing_is_under_way_when_the_execution_has_ended() -> None:
    events = await events_of("0.1.0/cancel")
    definition = sequence(node("a", "tool", tool="t"))
    (begun,) = [event for event in events if isinstance(event, WorkScheduled) and event.key.startswith("a#")]
    running = marked(picture_of(definition, "t"), taken(until_event(events, begun.id)))
    assert states(running)["a"] == "running"
    assert {box.id: box.note for box in running.boxes}["a"] == f"since {begun.at:%H:%M:%S} UTC"
    over = marked(picture_of(definition, "t"), taken(events))
    assert states(over) == {"start": "reached", "a": "reached", "end": "planned"}
    assert {box.note for box in over.boxes} == {""}


async def test_how_long_nodes_worked() -> None:
    events = await events_of("next/call")
    way, expected = taken(events), Counter[str]()
    begun = {event.id: event for event in events if isinstance(event, WorkScheduled)}
    for event in events:
        work = begun.get(event.scheduled_id) if isinstance(event, WorkCompleted) else None
        if work is not None and "#" in work.key:
            expected[work.key.split("#")[0]] += (event.at - work.at).total_seconds()
    assert {name: worked.seconds for name, worked in way.worked.items()} == pytest.approx(expected)
    notes = {box.id: box.note for box in marked(picture_of(pizzeria(), "call"), way).boxes}
    assert notes["hello"] == f"{expected['hello']:.1f} s" and notes["table"] == ""
    assert notes["order"] == f"{expected['order'] * 1000:.0f} ms"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0123, "12 ms"), (1, "1.0 s"), (119.9, "119.9 s"), (120, "2 min"), (7199, "120 min"), (7200, "2.0 h")],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    way = TakenWay(visits={"a": 2}, worked={"a": Worked(seconds)})
    picture: Picture = marked(picture_of(sequence(node("a", "tool", tool="t")), "t"), way)
    assert [box.note for box in picture.boxes] == ["", f"2 visits · {said}", ""]
