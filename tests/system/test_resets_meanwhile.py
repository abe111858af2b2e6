"""Resets of executions that go on in a new run between the request and the reset."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from graphs import edge, node, noting, sequence, waiting
from installation import Cairn, until

from cairn.domain.executions.model import ExecutionFilter
from cairn.settings import Settings
from cairn.temporal.resets import ResetClient


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Continue after few events."""
    return settings.model_copy(update={"history_limit": 40})


def steps(first: str, last: str) -> tuple[list[dict], list[dict]]:
    """Return a loop of twelve steps between two nodes, which takes some runs."""
    loop = [
        node("one", "transform", set={"n": "1"}, max_visits=100),
        noting("step", max_visits=100),
        node("more", "condition", max_visits=100),
    ]
    ways = [
        edge(first, "one"),
        edge("one", "step"),
        edge("step", "more"),
        edge("more", "one", "again", expression="state.n < 12"),
        edge("more", last, "done"),
    ]
    return loop, ways


def before_the_reset(monkeypatch, do: Callable[[], Awaitable[object]]) -> None:
    make = ResetClient.make

    async def late(self: ResetClient, request):
        await do()
        return await make(self, request)

    monkeypatch.setattr(ResetClient, "make", late)


async def test_children_of_runs_that_began_meanwhile_are_stopped_and_undone(cairn: Cairn, world, monkeypatch) -> None:
    undo = {"tool": "note", "arguments": {"entry": "'undo ' + result.entry"}}
    below = await cairn.publish(sequence(noting("x", compensate=undo), waiting("later")))
    loop, ways = steps("gate", "sub")
    graph = {
        "state": {"n": {"reducer": "sum", "default": 0}},
        "nodes": [
            *[node("start", "start"), noting("a"), waiting("gate"), *loop],
            *[node("sub", "subgraph", workflow_id=below), node("end", "end")],
        ],
        "edges": [edge("start", "a"), edge("a", "gate"), *ways, edge("sub", "end")],
    }
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["gate"])
    first = (await cairn.temporal.require(execution.id)).run_id

    async def go_on() -> None:
        world.gate("gate").set()
        await until(lambda: world.waiting["later"])
        assert (await cairn.temporal.require(execution.id)).run_id != first

    before_the_reset(monkeypatch, go_on)
    await cairn.reset(execution.id, "rollback", "a")
    async with cairn.executions() as service:
        (child,) = (await service.list(ExecutionFilter(parent_execution_id=execution.id), 1, 9)).items
    await cairn.reach(child.id, "cancelled")
    assert world.effects("undo x")
    told = {(each.node_id, each.execution_id) for each in cairn.compensations if each.status == "done"}
    assert told == {("x", child.id)}
    assert sum(each.node_id == "step" for each in cairn.compensations) == 12


async def test_results_of_runs_that_began_meanwhile_are_kept(cairn: Cairn, world, monkeypatch) -> None:
    loop, ways = steps("gate", "meet")
    graph = {
        "state": {"n": {"reducer": "sum", "default": 0}},
        "nodes": [
            *[node("start", "start"), node("fan", "parallel"), noting("a"), waiting("gate"), *loop],
            node("paid", "wait", event={"name": "paid"}),
            *[node("meet", "join"), node("end", "end", output={"n": "state.n"})],
        ],
        "edges": [
            *[edge("start", "fan"), edge("fan", "a"), edge("fan", "gate"), *ways],
            *[edge("a", "paid"), edge("paid", "meet"), edge("meet", "end")],
        ],
    }
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["gate"])

    async def settled() -> bool:
        return any(c.name == "a" and c.resettable for c in (await cairn.get(execution.id)).checkpoints)

    await until(settled)
    first = (await cairn.temporal.require(execution.id)).run_id

    async def go_on() -> None:
        world.gate("gate").set()
        await until(lambda: len(world.effects("step")) == 12)
        await until(lambda: joined(cairn, execution.id))
        assert (await cairn.temporal.require(execution.id)).run_id != first

    before_the_reset(monkeypatch, go_on)
    await cairn.reset(execution.id, "replay", "a", force=True)
    await until(lambda: joined(cairn, execution.id))
    assert len(world.effects("step")) == 12


async def joined(cairn: Cairn, execution_id: str) -> bool:
    """Whether the loop is over, and the other branch waits."""
    projection = await cairn.temporal.project(await cairn.temporal.require(execution_id))
    if not projection.engine.started:
        return False
    state = projection.engine.state
    return state.values.get("n") == 12 and [flight.run.node_id for flight in state.in_flight.values()] == ["paid"]
