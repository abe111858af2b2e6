"""A rollback of an execution undoes what its children did, and theirs: newest first over all of them, each once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from graphs import edge, node, noting, sequence, waiting
from installation import Cairn, until

from cairn.contracts.json import JsonObject
from cairn.domain.executions.impact import Impact, impact_of
from cairn.domain.executions.model import Execution, ExecutionFilter
from cairn.temporal.resets import ResetClient

UNDO = {"tool": "note", "arguments": {"entry": "'undo ' + result.entry"}}


def undoable(node_id: str, **data: Any) -> JsonObject:
    return noting(node_id, compensate=UNDO, **data)


def of_item(prefix: str) -> JsonObject:
    entry = {"entry": f"'{prefix} ' + item"}
    return node(prefix, "tool", tool="note", arguments=entry, compensate=UNDO)


async def children(cairn: Cairn, execution_id: str) -> list[Execution]:
    async with cairn.executions() as service:
        page = await service.list(ExecutionFilter(parent_execution_id=execution_id), 1, 100)
    return list(page.items)[::-1]


async def impact(cairn: Cairn, execution_id: str, name: str, *, reuse: bool = True) -> Impact:
    made = next(c for c in (await cairn.get(execution_id)).checkpoints if c.name == name)
    async with cairn.executions() as service:
        return await impact_of(service, execution_id, made.id, reuse_completed=reuse)


def said(cairn: Cairn) -> list[tuple[str | None, str, str]]:
    return [(each.execution_id, each.node_id, each.status) for each in cairn.compensations]


def undos(world) -> list[str]:
    return [what for what, _ in world.ledger if what.startswith("undo")]


async def test_what_completed_children_did_is_undone_newest_first_over_the_whole_tree(cairn: Cairn, world) -> None:
    lowest = await cairn.publish(sequence(undoable("g"), noting("plain")), "lowest")
    middle = await cairn.publish(
        sequence(undoable("x"), node("deep", "subgraph", workflow_id=lowest), undoable("y")), "middle"
    )
    graph = sequence(
        undoable("a"),
        node("sub", "subgraph", workflow_id=middle),
        undoable("b"),
        node("each", "map", items="['p', 'q']", body=sequence(of_item("one"), of_item("two")), concurrency=1),
        undoable("c"),
    )
    execution = await cairn.run(graph)
    await cairn.reach(execution.id, "completed")
    child, p, q = await children(cairn, execution.id)
    (grandchild,) = await children(cairn, child.id)
    expected = [
        (None, "c", "done"),
        *[(q.id, "two", "done"), (q.id, "one", "done"), (p.id, "two", "done"), (p.id, "one", "done")],
        *[(None, "b", "done"), (child.id, "y", "done")],
        *[(grandchild.id, "plain", "skipped"), (grandchild.id, "g", "done"), (child.id, "x", "done")],
    ]

    told = await impact(cairn, execution.id, "a")
    undone = [(each.execution_id, each.node_id) for each in told.compensations]
    assert undone == [(who, what) for who, what, status in expected if status == "done"]
    assert [(n.execution_id, n.node_id, n.status) for n in told.not_undone] == [(grandchild.id, "plain", "skipped")]
    assert [(e.execution_id, e.visit.node_id) for e in told.effects] == [(who, what) for who, what, _ in expected]

    back = await cairn.reset(execution.id, "rollback", "a", key="once")
    assert (back.status, back.revision) == ("paused", 1)
    assert said(cairn) == expected
    order = ["c", "two q", "one q", "two p", "one p", "b", "y", "g", "x"]
    assert undos(world) == [f"undo {what}" for what in order]
    line = grandchild.temporal.run_id
    assert world.effects("undo g") == [f"{grandchild.id}/g/1/{line}/undo"]

    # Again: the same request does nothing more, and the next line's children are others.
    await cairn.reset(execution.id, "rollback", "a", key="once")
    assert said(cairn) == expected
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")
    await cairn.reset(execution.id, "rollback", "start")
    assert undos(world)[len(order) :] == [f"undo {what}" for what in [*order, "a"]]


async def test_a_child_that_runs_is_stopped_first_and_then_undone(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(undoable("x"), waiting("gate"), undoable("never")))
    body = sequence(of_item("one"), node("w", "tool", tool="wait_at", arguments={"gate": "item"}))
    graph = {
        "nodes": [
            node("start", "start"),
            undoable("a"),
            node("fan", "parallel"),
            node("sub", "subgraph", workflow_id=below),
            node("each", "map", items="['p', 'q', 'r']", body=body, concurrency=2),
            node("meet", "join"),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "a"),
            edge("a", "fan"),
            edge("fan", "sub"),
            edge("fan", "each"),
            edge("sub", "meet"),
            edge("each", "meet"),
            edge("meet", "end"),
        ],
    }
    execution = await cairn.run(graph)
    await until(lambda: all(world.waiting[gate] for gate in ("gate", "p", "q")))
    told = await impact(cairn, execution.id, "a")
    assert {(each.visit.node_id, each.map) for each in told.children} == {("sub", False), ("each", True)}
    assert len(told.compensations) == 3
    await cairn.reset(execution.id, "rollback", "a")
    every = await children(cairn, execution.id)
    assert [(await cairn.get(child.id)).status for child in every] == ["cancelled"] * 3
    assert sorted(undos(world)) == ["undo one p", "undo one q", "undo x"]
    statuses = {(each.node_id, each.status) for each in cairn.compensations}
    assert statuses == {("x", "done"), ("one", "done"), ("gate", "uncertain"), ("w", "uncertain")}
    # None of it comes back, and the new line is a line like any other.
    for gate in ("gate", "p", "q", "r"):
        world.gate(gate).set()
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")
    assert [len(world.effects(name)) for name in ("a", "x", "never", "one p", "one r")] == [1, 2, 1, 2, 1]


async def test_what_a_child_does_at_the_very_end_is_waited_for_and_undone(cairn: Cairn, world) -> None:
    undo = {"tool": "note", "arguments": {"entry": "'undo ' + result"}}
    below = await cairn.publish(sequence(undoable("x"), waiting("gate", compensate=undo)))
    execution = await cairn.run(sequence(noting("a"), node("sub", "subgraph", workflow_id=below)))
    await until(lambda: world.waiting["gate"])
    asked = asyncio.create_task(cairn.reset(execution.id, "rollback", "a"))
    await cairn.reach(execution.id, "paused")
    world.gate("gate").set()
    await asked
    assert undos(world) == ["undo gate", "undo x"]


async def test_what_begins_between_the_look_and_the_reset_is_undone_after_it(cairn: Cairn, world, monkeypatch) -> None:
    below = await cairn.publish(sequence(undoable("x"), waiting("later")))
    graph = sequence(noting("a"), waiting("gate"), node("sub", "subgraph", workflow_id=below))
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["gate"])
    make = ResetClient.make

    async def late(self: ResetClient, request):
        world.gate("gate").set()
        await until(lambda: world.waiting["later"])
        return await make(self, request)

    monkeypatch.setattr(ResetClient, "make", late)
    await cairn.reset(execution.id, "rollback", "a")
    (child,) = await children(cairn, execution.id)
    assert undos(world) == ["undo x"]
    assert (child.id, "x", "done") in said(cairn)
    assert (None, "gate", "skipped") in said(cairn)


@pytest.mark.parametrize("reuse", [True, False])
async def test_children_of_siblings_that_are_kept_are_not_undone(cairn: Cairn, world, reuse: bool) -> None:
    below = await cairn.publish(sequence(undoable("x")))
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            undoable("left"),
            undoable("left2"),
            waiting("gate"),
            node("sub", "subgraph", workflow_id=below),
            node("meet", "join"),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "left"),
            edge("fan", "gate"),
            edge("left", "left2"),
            edge("gate", "sub"),
            edge("left2", "meet"),
            edge("sub", "meet"),
            edge("meet", "end"),
        ],
    }
    execution = await cairn.run(graph)
    await until(lambda: world.effects("left2"))
    world.gate("gate").set()
    await cairn.reach(execution.id, "completed")
    told = await impact(cairn, execution.id, "left", reuse=reuse)
    expected = {"left2"} if reuse else {"left2", "x"}
    assert {each.node_id for each in told.compensations} == expected
    await cairn.reset(execution.id, "rollback", "left", reuse_completed=reuse)
    assert {node for _, node, status in said(cairn) if status == "done"} == expected
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")
    assert len(world.effects("x")) == (1 if reuse else 2)


async def test_a_child_at_work_at_the_checkpoint_is_not_undone_unless_it_was_cancelled(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(undoable("x"), waiting("gate")))
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            node("sub", "subgraph", workflow_id=below),
            waiting("first"),
            undoable("b"),
            undoable("c"),
            waiting("second"),
            node("meet", "join"),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "sub"),
            edge("fan", "first"),
            edge("first", "b"),
            edge("b", "c"),
            edge("c", "second"),
            edge("second", "meet"),
            edge("sub", "meet"),
            edge("meet", "end"),
        ],
    }
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["gate"] and world.waiting["first"])
    world.gate("first").set()
    await until(lambda: world.waiting["second"])
    await cairn.reset(execution.id, "rollback", "b")
    assert undos(world) == ["undo c"]
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await until(lambda: world.waiting["second"] == 2)
    async with cairn.executions() as service:
        await service.cancel(execution.id)
    await cairn.reach(execution.id, "cancelled")
    (child,) = await children(cairn, execution.id)
    await cairn.reach(child.id, "cancelled")
    await cairn.reset(execution.id, "rollback", "b")
    assert undos(world) == ["undo c", "undo c", "undo x"]


async def test_a_node_that_undoes_its_child_as_a_whole_does_so_alone(cairn: Cairn, world) -> None:
    whole = {"tool": "note", "arguments": {"entry": "'undo all'"}}
    below = await cairn.publish(sequence(undoable("x")))
    graph = sequence(
        node("sub", "subgraph", workflow_id=below, compensate=whole),
        node("each", "map", items="['p']", body=sequence(of_item("one"), undoable("bad")), compensate=whole),
    )
    world.failing.add("bad")
    execution = await cairn.run(graph)
    await cairn.reach(execution.id, "failed")  # so the map brought nothing: its items are undone one by one
    assert len((await impact(cairn, execution.id, "start")).compensations) == 2
    await cairn.reset(execution.id, "rollback", "start")
    assert undos(world) == ["undo one p", "undo all"]


async def test_an_undo_that_fails_in_a_child_is_told_with_the_child(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(undoable("x"), undoable("y")))
    execution = await cairn.run(sequence(node("sub", "subgraph", workflow_id=below)))
    await cairn.reach(execution.id, "completed")
    (child,) = await children(cairn, execution.id)
    world.failing.add("undo y")
    await cairn.reset(execution.id, "rollback", "start")
    assert said(cairn) == [(child.id, "y", "failed"), (child.id, "x", "done")]
    assert "undo y is failing" in cairn.compensations[0].error


async def test_very_many_undos_go_on_in_new_runs_of_the_operation(cairn: Cairn, world, monkeypatch) -> None:
    monkeypatch.setattr("workflows.reset_execution.is_long", lambda: True)
    body = sequence(of_item("one"), of_item("two"))
    execution = await cairn.run(sequence(undoable("a"), node("each", "map", items="['p', 'q']", body=body)))
    await cairn.reach(execution.id, "completed")
    await cairn.reset(execution.id, "rollback", "start", expected_revision=0)
    assert sorted(undos(world)) == sorted(["undo one p", "undo one q", "undo two p", "undo two q", "undo a"])
    assert [status for _, _, status in said(cairn)] == ["done"] * 5
