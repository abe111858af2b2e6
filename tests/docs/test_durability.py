"""The guide to durability: its graph runs by steps and by segments, and limits and migrations are as told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from graphs import node, noting, sequence
from installation import Cairn
from people import answer, asked

from activities.guard import HEARTBEAT_INTERVAL
from cairn.contracts.json import JsonObject
from cairn.domain.executions.migrate import migrate
from cairn.domain.graphs.service import GraphService
from cairn.domain.tools import load_tools
from cairn.errors import Conflict
from cairn.graph.model import Definition, Limits
from cairn.graph.nodes import KINDS
from cairn.graph.validate import ValidationContext, validate
from cairn.settings import Settings
from workflows.work import HEARTBEAT_TIMEOUT

PAGE = (Path(__file__).parents[2] / "docs" / "durability.md").read_text()
LONG = "one two three four five six seven"


def example(durability: str) -> JsonObject:
    (text,) = re.findall(r"^```json graph\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return {**json.loads(text), "durability": durability}


def test_the_graph_is_valid() -> None:
    known = ValidationContext(known_tools=frozenset(load_tools(Settings()).names()))
    assert validate(Definition.model_validate(example("segment")), known) == []


def test_the_figures_are_right() -> None:
    assert (HEARTBEAT_TIMEOUT.total_seconds(), HEARTBEAT_INTERVAL.total_seconds()) == (15, 5)
    table = PAGE.partition("## Limits")[2]
    assert {name for name in Limits.model_fields if f"`{name}`" not in table} == set()
    assert get_args(Definition.model_fields["durability"].annotation) == ("step", "segment")
    told = PAGE.partition("Nodes that **may be done again** are")[2].partition(". A stretch")[0]
    assert {kind.type for kind in KINDS.values() if kind.pure} | {"agent", "tool"} == set(re.findall(r"`(\w+)`", told))


@pytest.mark.parametrize(
    ("text", "durability", "names"),
    [
        ("one two", "segment", ["start", "Measure", "Store"]),
        (LONG, "segment", ["start", "shortened", "Measure", "Store"]),
        (LONG, "step", ["start", "Count", "shortened", "Title", "Measure", "Store"]),
    ],
)
async def test_the_graph_runs(cairn: Cairn, text: str, durability: str, names: list[str]) -> None:
    done = await cairn.reach((await cairn.run(example(durability), {"text": text})).id, "completed")
    assert [checkpoint.name for checkpoint in done.checkpoints or ()] == names
    assert done.output_data is not None
    assert done.output_data["words"] == len(text.split())
    assert text != "one two" or done.output_data["length"] == len(text)


async def test_a_limit_pauses_and_a_resume_grants_it_anew(cairn: Cairn, world) -> None:
    graph = sequence(*(noting(each) for each in "abcde"), limits={"steps": 3})
    execution = await cairn.run(graph)
    for done in ("ab", "abcde"):
        paused = await cairn.reach(execution.id, "paused")
        assert paused.status_detail == "the execution reached its limit of 3 steps"
        assert "".join(world.of(execution.id)) == done
        async with cairn.executions() as service:
            await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")


async def test_waiting_counts_for_the_limit_of_seconds(cairn: Cairn, world) -> None:
    graph = sequence(node("nap", "wait", seconds=0.6), noting("after"), limits={"seconds": 0.5})
    execution = await cairn.run(graph)
    paused = await cairn.reach(execution.id, "paused")
    assert paused.status_detail == "the execution reached its limit of 0.5 seconds"
    assert world.of(execution.id) == []


async def test_another_version_keeps_the_state_and_brings_no_defaults(cairn: Cairn, world) -> None:
    first = sequence(node("ask", "question", prompt="?"), noting("old"), state={"n": {"default": 1}})
    second = sequence(
        node("ask", "question", prompt="?"),
        noting("new"),
        node("end", "end", output={"state": "state"}),
        state={"n": {"default": 2}, "m": {"default": 3}},
    )
    graph = await cairn.publish(first)
    execution = await cairn.start(graph)
    request = await asked(cairn, execution.id)
    async with cairn.executions() as service:
        await service.pause(execution.id)
    async with cairn.database.transaction() as session:
        graphs = GraphService(session, cairn.principal.scope, "ann", ValidationContext())
        await graphs.update(graph, definition=second)
    async with cairn.executions() as service:
        with pytest.raises(Conflict) as draft:
            await migrate(service, execution.id, 2)
    assert draft.value.code == "workflow_not_published"
    async with cairn.database.transaction() as session:
        await GraphService(session, cairn.principal.scope, "ann", ValidationContext()).publish(graph)
    async with cairn.executions() as service:
        moved = await migrate(service, execution.id, 2)
    assert (moved.version, moved.status) == (2, "paused")
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await answer(cairn, execution.id, request, "go on")
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"state": {"n": 1}}
    assert world.of(execution.id) == ["new"]
