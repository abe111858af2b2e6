"""An event has one number, whether its history is read at once or as it grows: a follower resumes by it anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from cairn.domain.executions.events import Narrator
from cairn.temporal.events import ChildCompleted, ChildFailed, Closed, Event, News, Signalled, TaskStarted, WorkStarted
from cairn.temporal.history import read

FOLDER = Path(__file__).parents[1] / "histories"
# What the server writes by itself, whenever it comes: before each of these a reader may have come to the end.
_COMES = (Signalled, News, WorkStarted, TaskStarted, Closed, ChildCompleted, ChildFailed)


def told(batches: Sequence[Sequence[Event]]) -> list[tuple[int, str, str]]:
    narrator = Narrator("e")
    events = chain.from_iterable(narrator.tell(list(batch)) for batch in batches)
    return [(each.seq, each.type, json.dumps(each.data, default=str)) for each in events]


def as_it_grew(events: Sequence[Event]) -> list[list[Event]]:
    batches: list[list[Event]] = [[]]
    for each in events:
        if isinstance(each, _COMES):
            batches.append([])
        batches[-1].append(each)
    return [batch for batch in batches if batch]


@pytest.mark.parametrize("name", [f"{file.parent.name}/{file.stem}" for file in sorted(FOLDER.glob("*/*.json"))])
async def test_an_event_has_one_number(name: str) -> None:
    stored = (FOLDER / f"{name}.json").read_text()
    if json.loads(stored)["events"][0]["workflowExecutionStartedEventAttributes"]["workflowType"]["name"] != (
        "GraphExecution"
    ):
        pytest.skip("no execution")
    events = await read(WorkflowHistory.from_json("execution", stored).events, pydantic_data_converter)
    assert told(as_it_grew(events)) == told([events])
