"""A rollback undoes what nodes did outside, newest first, durably, each once, and says what it could not undo."""

from __future__ import annotations

import asyncio

import pytest
from graphs import edge, node, noting, sequence, waiting
from installation import Cairn, until
from system.test_resets_combined import branches

from cairn.domain.executions.impact import impact_of
from cairn.errors import Conflict

ENTRY = {"tool": "note", "arguments": {"entry": "'undo ' + result.entry", "value": "input.n"}}


def undoable(node_id: str, **data):
    return noting(node_id, compensate=ENTRY, **data)


def said(cairn: Cairn) -> list[tuple[str, str]]:
    return [(each.node_id, each.status) for each in cairn.compensations]


async def test_a_rollback_undoes_newest_first_and_only_what_came_later(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(undoable("a"), undoable("b"), undoable("c")), {"n": 7})
    done = await cairn.reach(execution.id, "completed")
    back = await cairn.reset(execution.id, "rollback", "a")
    assert (back.status, back.revision) == ("paused", 1)
    assert world.of(execution.id) == ["a", "b", "c", "undo c", "undo b"]
    assert said(cairn) == [("c", "done"), ("b", "done")]
    line = done.temporal.run_id
    assert world.effects("undo c") == [f"{execution.id}/c/1/{line}/undo"]
    # The next line's effects are others: they are undone in their turn, those undone already are not.
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")
    await cairn.reset(execution.id, "rollback", "start")
    assert world.of(execution.id)[5:] == ["b", "c", "undo c", "undo b", "undo a"]
    assert len(set(world.effects("undo b"))) == 2


async def test_arguments_see_what_the_execution_knew_when_the_node_had_completed(cairn: Cairn, world) -> None:
    see = {"tool": "note", "arguments": {"entry": "'undo ' + string(state.m) + outputs.a.entry + execution.id"}}
    graph = sequence(
        noting("a", compensate=see),
        node("more", "transform", set={"m": "state.m + 1"}),
        noting("b", compensate=see),
        state={"m": {"default": 1}},
    )
    execution = await cairn.run(graph)
    await cairn.reach(execution.id, "completed")
    await cairn.reset(execution.id, "rollback", "start")
    assert world.of(execution.id)[2:] == [f"undo 2a{execution.id}", f"undo 1a{execution.id}"]


async def test_a_replay_undoes_nothing(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(undoable("a"), undoable("b")), {"n": 1})
    await cairn.reach(execution.id, "completed")
    await cairn.reset(execution.id, "replay", "a")
    await cairn.reach(execution.id, "completed")
    assert world.of(execution.id) == ["a", "b", "b"]
    assert cairn.compensations == []


async def test_what_cannot_be_undone_is_reported_and_the_rollback_goes_on(cairn: Cairn, world) -> None:
    broken = {"tool": "note", "arguments": {"entry": "result.nothing"}}
    graph = sequence(undoable("a"), noting("plain"), undoable("b"), noting("c", compensate=broken))
    execution = await cairn.run(graph, {"n": 1})
    await cairn.reach(execution.id, "completed")
    world.failing.add("undo b")
    back = await cairn.reset(execution.id, "rollback", "start")
    assert back.status == "paused"
    assert said(cairn) == [("c", "failed"), ("b", "failed"), ("plain", "skipped"), ("a", "done")]
    assert [each.tool for each in cairn.compensations] == ["note", "note", None, "note"]
    assert "undo b is failing" in cairn.compensations[1].error
    assert world.of(execution.id)[-1] == "undo a"


async def test_an_effect_of_a_node_that_failed_is_uncertain_before_and_after(cairn: Cairn, world) -> None:
    graph = {
        "nodes": [node("start", "start"), noting("a"), undoable("b"), noting("rescue"), node("end", "end")],
        "edges": [
            edge("start", "a"),
            edge("a", "b"),
            edge("b", "end"),
            edge("b", "rescue", on="error"),
            edge("rescue", "end"),
        ],
    }
    world.failing.add("b")
    execution = await cairn.run(graph, {"n": 1})
    done = await cairn.reach(execution.id, "completed")
    async with cairn.executions() as service:
        told = await impact_of(service, execution.id, done.checkpoints[1].id, reuse_completed=True)
    assert [(each.visit.node_id, each.status) for each in told.effects] == [("rescue", "done"), ("b", "uncertain")]
    assert [(each.node_id, each.status) for each in told.not_undone] == [("rescue", "skipped"), ("b", "uncertain")]
    await cairn.reset(execution.id, "rollback", "a")
    assert said(cairn) == [("rescue", "skipped"), ("b", "uncertain")]


async def test_an_agent_that_goes_on_from_its_turns_is_not_undone(cairn: Cairn, world) -> None:
    undo = {"tool": "note", "arguments": {"entry": "'undo'"}}
    ask = node("ask", "agent", prompt="What is 2 + 3? Use calculate.", tools=["calculate"], compensate=undo)
    execution = await cairn.run(sequence(ask, undoable("z")), {"n": 1})
    await cairn.reach(execution.id, "completed")
    await cairn.reset(execution.id, "rollback", "ask: calculate")
    assert said(cairn) == [("z", "done"), ("ask", "skipped")]
    assert not world.effects("undo")
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")
    await cairn.reset(execution.id, "rollback", "start")
    assert said(cairn)[-1] == ("ask", "done")


async def test_a_running_execution_is_held_and_what_ends_meanwhile_is_undone(cairn: Cairn, world) -> None:
    undo = {"tool": "note", "arguments": {"entry": "'undo ' + result"}}
    graph = sequence(noting("a"), waiting("gate", compensate=undo), noting("never"))
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["gate"])
    asked = asyncio.create_task(cairn.reset(execution.id, "rollback", "a", expected_revision=0))
    await cairn.reach(execution.id, "paused")
    world.gate("gate").set()
    back = await asked
    assert (back.status, [c.name for c in back.checkpoints]) == ("paused", ["start", "a"])
    assert world.of(execution.id) == ["a", "gate", "undo gate"]
    assert said(cairn) == [("gate", "done")]


async def test_work_that_does_not_end_in_time_is_uncertain(cairn: Cairn, world, monkeypatch) -> None:
    monkeypatch.setattr("cairn.domain.executions.rollbacks.HOLD", 0.2)
    undo = {"tool": "note", "arguments": {"entry": "'undo'"}}
    execution = await cairn.run(sequence(noting("a"), waiting("gate", compensate=undo)))
    await until(lambda: world.waiting["gate"])
    await cairn.reset(execution.id, "rollback", "a")
    assert said(cairn) == [("gate", "uncertain")]
    assert not world.effects("undo")


async def test_a_stale_rollback_undoes_nothing(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(undoable("a"), waiting("gate")), {"n": 1})
    await until(lambda: world.waiting["gate"])
    for _ in range(2):
        with pytest.raises(Conflict) as refused:
            await cairn.reset(execution.id, "rollback", "start", expected_revision=5)
        assert refused.value.code == "stale_revision"
    assert (await cairn.get(execution.id)).status == "running"
    assert world.of(execution.id) == ["a"]


async def test_siblings_in_other_branches_are_undone_unless_they_are_kept(cairn: Cairn, world) -> None:
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            undoable("left"),
            undoable("left2"),
            waiting("gate"),
            undoable("right"),
            node("meet", "join"),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "left", "left"),
            edge("fan", "gate", "right"),
            edge("left", "left2"),
            edge("gate", "right"),
            edge("left2", "meet"),
            edge("right", "meet"),
            edge("meet", "end"),
        ],
    }
    execution = await cairn.run(graph, {"n": 1})
    await until(lambda: len(world.effects("left2")))
    world.gate("gate").set()
    await cairn.reach(execution.id, "completed")
    await cairn.reset(execution.id, "rollback", "left")
    assert said(cairn) == [("left2", "done")]  # the gate and what follows it are kept
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")
    assert len(world.effects("right")) == 1
    await cairn.reset(execution.id, "rollback", "left", reuse_completed=False)
    assert {node for node, status in said(cairn) if status == "done"} == {"left2", "right"}


async def test_undos_of_kept_results_see_what_was_known_when_each_node_had_completed(cairn: Cairn, world) -> None:
    see = {"tool": "note", "arguments": {"entry": "'undo ' + result.entry + string(state.m)"}}
    right = [
        waiting("gate"),
        noting("r1", compensate=see, checkpoint=False),
        node("more", "transform", set={"m": "state.m + 1"}),
    ]
    graph = branches([noting("l1"), noting("l2")], [*right, noting("r2", compensate=see)], state={"m": {"default": 1}})
    execution = await cairn.run(graph)
    await until(lambda: len(world.effects("l2")))
    world.gate("gate").set()
    await cairn.reach(execution.id, "completed")
    await cairn.reset(execution.id, "replay", "l1")  # what the right branch brought is taken over in one turn
    await cairn.reach(execution.id, "completed")
    assert len(world.effects("r1")) == 1
    await cairn.reset(execution.id, "rollback", "start")
    assert [entry for entry in world.of(execution.id) if entry.startswith("undo")] == ["undo r22", "undo r11"]


async def test_an_execution_that_ended_before_any_worker_saw_it_is_rolled_back(idle_cairn: Cairn, world) -> None:
    execution = await idle_cairn.run(sequence(undoable("a")))
    await idle_cairn.client.get_workflow_handle(execution.id).terminate()
    async with idle_cairn.worker():
        await idle_cairn.reach(execution.id, "cancelled")
        back = await idle_cairn.reset(execution.id, "rollback", "start")
        assert (back.status, idle_cairn.compensations) == ("paused", [])
        async with idle_cairn.executions() as service:
            await service.resume(execution.id)
        await idle_cairn.reach(execution.id, "completed")
    assert world.of(execution.id) == ["a"]
