"""What heartbeats of a segment carry: all that ended, and each large part of it once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from graphs import node, sequence
from machine import NOW, Machine
from temporalio.testing import ActivityEnvironment

from activities import segment as segment_module
from activities.segment import Progress, SegmentActivities
from activities.tools import ToolActivities
from cairn.contracts.executions import DoneWork, GraphRef
from cairn.contracts.json import JsonObject, digest
from cairn.contracts.nodes import NodeCall, NodeResult
from cairn.domain.tools import ToolRegistry, tool
from cairn.graph import step
from cairn.graph.nodes.base import RetryPolicy
from cairn.graph.state import Run
from cairn.persistence.session import Database, create_engine
from cairn.providers.sandbox import SandboxInForce
from cairn.settings import Settings

LARGE = 10 * 1024


def work(number: int) -> DoneWork:
    result = NodeResult(value=f"{number}".rjust(LARGE))
    return DoneWork(node_id=f"n{number}", visit=1, digest="d", result=result.model_dump(exclude_none=True))


class Heartbeats:
    """Runs a try of a segment and keeps its heartbeats, as they are when they are sent."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.sent: list[list[bytes]] = []

    def progress(self, details: Any = ()) -> Progress:
        return Progress(details, lambda: self.seconds)

    def run(self, of: Any) -> None:
        environment = ActivityEnvironment()
        environment.on_heartbeat = lambda *details: self.sent.append([orjson.dumps(each) for each in details])
        environment.run(of)

    @property
    def last(self) -> list[JsonObject]:
        return [orjson.loads(part) for part in self.sent[-1]]


def run_of(number: int) -> Run:
    key = f"n{number}#1"
    policy = RetryPolicy()
    return Run(
        key=key, node_id=f"n{number}", visit=1, summary=key, activity="code", data={}, timeout=None, retry=policy
    )


def names(heartbeat: list[JsonObject]) -> set[str]:
    return {done["node_id"] for part in heartbeat for done in part["done"]}


def names_in(sent: list[bytes]) -> set[str]:
    return names([orjson.loads(part) for part in sent])


def test_what_is_stored_grows_with_the_work_not_with_its_square() -> None:
    heartbeats = Heartbeats()

    def segment() -> None:
        told = heartbeats.progress()
        for number in range(200):
            heartbeats.seconds += 1.0
            told.done(work(number))

    heartbeats.run(segment)
    assert len(heartbeats.sent) == 200 and len(names(heartbeats.last)) == 200
    full = {part for sent in heartbeats.sent for part in sent[1:]}
    assert sum(map(len, full)) < 200 * LARGE * 1.1
    assert max(len(sent[0]) for sent in heartbeats.sent) < 64 * 1024


def test_heartbeats_tell_of_quick_work_every_five_seconds_and_at_the_end_of_all() -> None:
    heartbeats = Heartbeats()

    def segment() -> None:
        told = heartbeats.progress()
        for number in range(100):
            heartbeats.seconds += 0.25
            told.done(work(number))
        told.tell()

    heartbeats.run(segment)
    assert [len(names_in(sent)) for sent in heartbeats.sent] == [20, 40, 60, 80, 100, 100]


def test_work_that_took_long_is_told_of_at_once() -> None:
    heartbeats = Heartbeats()

    def segment() -> None:
        told = heartbeats.progress()
        for number, seconds in enumerate((0.1, 2.0, 0.1, 1.0)):
            heartbeats.seconds += seconds
            told.done(work(number))

    heartbeats.run(segment)
    assert [names_in(sent) for sent in heartbeats.sent] == [{"n0", "n1"}, {"n0", "n1", "n2", "n3"}]


def test_the_next_try_finds_what_ended_and_how_often_work_failed() -> None:
    first, second = Heartbeats(), Heartbeats()

    def try_once() -> None:
        told = first.progress()
        for number in range(20):
            told.done(work(number))
        assert told.failed(run_of(20)) == 1
        told.tell()

    def again() -> None:
        told = second.progress(first.last)
        found = [told.find(run_of(number)) for number in range(21)]
        assert [kept.node_id if kept else None for kept in found] == [f"n{number}" for number in range(20)] + [None]
        assert told.failed(run_of(20)) == 2
        told.done(work(20))
        told.tell()

    first.run(try_once)
    second.run(again)
    assert len(names(second.last)) == 21
    assert second.sent[-1][1:3] == first.sent[-1][1:]


async def test_functions_that_wait_for_nothing_let_others_have_their_turn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    turns, seen = 0, list[int]()

    @tool(repeatable=True)
    async def look() -> int:
        """Look at how many turns others had."""
        seen.append(turns)
        return turns

    nodes = (node(name, "tool", tool="look", repeatable=True) for name in "abc")
    definition = sequence(*nodes, durability="segment")
    ref = GraphRef(workflow_id="w", version_id=1, version=1, digest=digest(definition))

    async def loaded(*_: object) -> JsonObject:
        return definition

    monkeypatch.setattr(segment_module, "load_definition", loaded)
    database = Database(create_engine(f"sqlite+aiosqlite:///{tmp_path / 'unused.db'}"))
    activities = SegmentActivities(database, SandboxInForce(Settings()), ToolActivities(ToolRegistry([look])), {})
    machine, environment = Machine(definition), ActivityEnvironment()
    machine.state.engine = 6
    (run,), _ = step.advance(machine.graph, machine.state, step.Line(NOW, "r", "t", ref))
    assert isinstance(run, Run)
    call = NodeCall(
        execution_id="e",
        temporal_id="t",
        tenant="acme",
        run_id=environment.info.workflow_run_id or "",
        lineage="r",
        node_id=run.node_id,
        visit=1,
        data=run.data,
    )

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def both() -> NodeResult:
        beside = asyncio.create_task(others())
        try:
            return await activities.run_segment(call)
        finally:
            beside.cancel()

    result = await environment.run(both)
    assert [done["result"]["value"] for done in result.value["done"]] == seen
    assert len(set(seen)) == 3
    await database.dispose()
