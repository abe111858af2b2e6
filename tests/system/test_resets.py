"""Replay and rollback on a real Temporal server: every reset lands paused, acts once, and discards what it should."""

from __future__ import annotations

import asyncio

import pytest
from graphs import edge, node, noting, sequence, waiting
from installation import Cairn, until

from cairn.errors import Conflict, InvalidInput, NotFound

ABC = (noting("a"), noting("b"), noting("c"))


def names(execution) -> list[str]:
    return [c.name for c in execution.checkpoints]


async def completed(cairn: Cairn, *nodes, **more):
    execution = await cairn.run(sequence(*nodes, **more))
    return await cairn.reach(execution.id, "completed")


@pytest.mark.history("rollback_resume")
async def test_rollback_stays_paused_and_discards_what_came_later(cairn: Cairn, world) -> None:
    done = await completed(cairn, *ABC)
    back = await cairn.reset(done.id, "rollback", "a")
    assert (back.status, back.output_data, names(back)) == ("paused", None, ["start", "a"])
    assert [c.id for c in back.checkpoints] == [c.id for c in done.checkpoints[:2]]
    with pytest.raises(NotFound):
        await cairn.reset(done.id, "rollback", done.checkpoints[2].id)
    async with cairn.executions() as service:
        await service.resume(done.id)
    again = await cairn.reach(done.id, "completed")
    assert len(world.effects("a")) == 1
    assert len(set(world.effects("b"))) == 2
    assert not {c.id for c in again.checkpoints[2:]} & {c.id for c in done.checkpoints[2:]}


@pytest.mark.history("replay_failed")
async def test_replay_of_a_failed_execution_goes_on_from_the_checkpoint(cairn: Cairn, world) -> None:
    world.failing.add("b")
    execution = await cairn.run(sequence(*ABC))
    await cairn.reach(execution.id, "failed")
    world.failing.clear()
    replayed = await cairn.reset(execution.id, "replay", "a")
    assert replayed.error is None
    await cairn.reach(execution.id, "completed")
    assert [what for what, _ in world.ledger] == ["a", "b", "c"]


@pytest.mark.parametrize("state", ["completed", "paused", "cancelled", "terminated"])
async def test_replay_in_every_resting_state(cairn: Cairn, world, state: str) -> None:
    execution = await cairn.run(sequence(noting("a"), waiting("gate"), noting("c")))
    await until(lambda: world.waiting["gate"])
    if state == "completed":
        world.gate("gate").set()
    elif state == "terminated":
        await cairn.client.get_workflow_handle(execution.id).terminate()
    else:
        async with cairn.executions() as service:
            await (service.pause if state == "paused" else service.cancel)(execution.id)
    await cairn.reach(execution.id, {"terminated": "cancelled"}.get(state, state))
    await cairn.reset(execution.id, "replay", "a")
    world.gate("gate").set()
    done = await cairn.reach(execution.id, "completed")
    assert names(done) == ["start", "a", "gate", "c"]
    assert len(world.effects("a")) == 1


async def test_replay_of_a_running_execution_needs_force(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(noting("a"), waiting("gate")))
    await until(lambda: world.waiting["gate"])
    with pytest.raises(Conflict) as refused:
        await cairn.reset(execution.id, "replay", "a")
    assert refused.value.code == "execution_running"
    await cairn.reset(execution.id, "replay", "a", force=True)
    world.gate("gate").set()
    await cairn.reach(execution.id, "completed")


@pytest.mark.parametrize("kind", ["replay", "rollback"])
async def test_reset_to_the_start_runs_everything_again(cairn: Cairn, world, kind: str) -> None:
    done = await completed(cairn, *ABC)
    back = await cairn.reset(done.id, kind, "start")
    if kind == "rollback":
        assert (back.status, names(back)) == ("paused", ["start"])
        assert len(world.ledger) == 3
        async with cairn.executions() as service:
            await service.resume(done.id)
    await cairn.reach(done.id, "completed")
    assert len(set(world.effects("a"))) == 2


@pytest.mark.history("reset_after_last")
async def test_reset_after_the_last_node_does_not_close_at_once(cairn: Cairn, world) -> None:
    done = await completed(cairn, *ABC)
    back = await cairn.reset(done.id, "rollback", "c")
    assert (back.status, names(back)) == ("paused", ["start", "a", "b", "c"])
    async with cairn.executions() as service:
        await service.resume(done.id)
    again = await cairn.reach(done.id, "completed")
    assert again.output_data == {"done": True}
    assert len(world.ledger) == 3


def fan(*branches) -> dict:
    return {
        "nodes": [
            node("start", "start"),
            noting("a"),
            node("fan", "parallel"),
            *branches,
            node("meet", "join"),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "a"),
            edge("a", "fan"),
            *(edge("fan", b["id"], b["id"]) for b in branches),
            *(edge(b["id"], "meet") for b in branches),
            edge("meet", "end"),
        ],
    }


@pytest.mark.history("reset_in_flight")
async def test_reset_with_two_activities_in_flight_parks_them_until_the_resume(cairn: Cairn, world) -> None:
    execution = await cairn.run(fan(waiting("left"), waiting("right"), noting("quick")))
    await until(lambda: world.waiting["left"] and world.waiting["right"] and world.effects("quick"))
    await until(lambda: _has(cairn, execution.id, "quick"))
    back = await cairn.reset(execution.id, "rollback", "quick")
    assert back.status == "paused"
    before = dict(world.waiting)
    world.gate("left").set()
    world.gate("right").set()
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")
    # Each ran anew after the resume, under the new line, and nothing of the old line came through.
    assert world.waiting["left"] == before["left"] + 1
    lineage = (await cairn.get(execution.id)).temporal.run_id
    assert world.effects("left")[-1].endswith(lineage)


async def _has(cairn: Cairn, execution_id: str, name: str):
    now = await cairn.get(execution_id)
    return now if any(c.name == name and c.resettable for c in now.checkpoints) else None


async def test_a_heartbeating_activity_of_the_old_line_is_cancelled(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(noting("a"), waiting("gate")))
    await until(lambda: world.waiting["gate"])
    await cairn.reset(execution.id, "rollback", "a")
    await until(lambda: world.cancelled["gate"])
    assert not world.effects("gate")


@pytest.mark.history("replay_of_replay")
async def test_rollback_twice_then_replay_of_a_replay(cairn: Cairn, world) -> None:
    done = await completed(cairn, *ABC)
    assert names(await cairn.reset(done.id, "rollback", "b")) == ["start", "a", "b"]
    assert names(await cairn.reset(done.id, "rollback", "a")) == ["start", "a"]
    await cairn.reset(done.id, "replay", "a")
    first = await cairn.reach(done.id, "completed")
    await cairn.reset(done.id, "replay", first.checkpoints[2].id)
    second = await cairn.reach(done.id, "completed")
    assert names(second) == ["start", "a", "b", "c"]
    assert (len(world.effects("a")), len(world.effects("b")), len(world.effects("c"))) == (1, 2, 3)
    assert len(set(world.ledger)) == 6
    assert second.revision > first.revision > done.revision


async def test_of_two_resets_at_once_one_wins(cairn: Cairn, world) -> None:
    done = await completed(cairn, *ABC)
    outcomes = await asyncio.gather(
        cairn.reset(done.id, "rollback", "a"), cairn.reset(done.id, "rollback", "b"), return_exceptions=True
    )
    refused = [o for o in outcomes if isinstance(o, Conflict)]
    assert len(refused) == 1, outcomes
    assert refused[0].code in ("reset_in_progress", "superseded")


async def test_the_same_reset_sent_twice_resets_once(cairn: Cairn, world) -> None:
    done = await completed(cairn, *ABC)
    first = await cairn.reset(done.id, "replay", "a", key="k1")
    second = await cairn.reset(done.id, "replay", "a", key="k1")
    assert second.temporal.run_id == first.temporal.run_id
    at_once = await asyncio.gather(*(cairn.reset(done.id, "rollback", "a", key="k2") for _ in range(3)))
    assert len({e.temporal.run_id for e in at_once}) == 1
    assert len(world.effects("b")) <= 2


@pytest.mark.history("patches")
async def test_patches_are_applied_at_the_checkpoint(cairn: Cairn, world) -> None:
    graph = sequence(
        noting("a"),
        node("b", "tool", tool="note", arguments={"entry": "'b'", "value": "input.n + state.m"}),
        node("end", "end", output={"sum": "outputs.b.value"}),
        state={"m": {"default": 1, "schema": {"type": "integer"}}},
        input_schema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    )
    execution = await cairn.run(graph, {"n": 1})
    assert (await cairn.reach(execution.id, "completed")).output_data == {"sum": 2}
    with pytest.raises(InvalidInput) as refused:
        await cairn.reset(execution.id, "replay", "a", input_patch={"n": "x"}, state_patch={"m": "y"})
    assert {e.pointer for e in refused.value.errors} == {"/input_patch/n", "/state_patch/m"}
    await cairn.reset(execution.id, "replay", "a", input_patch={"n": 10}, state_patch={"m": 5})
    assert (await cairn.reach(execution.id, "completed")).output_data == {"sum": 15}
    await cairn.reset(execution.id, "rollback", "a", input_patch={"n": 2})
    async with cairn.executions() as service:
        await service.patch(execution.id, None, {"m": 7})
    async with cairn.executions() as service:
        with pytest.raises(InvalidInput):
            await service.patch(execution.id, {"n": None}, None)
    async with cairn.executions() as service:
        await service.resume(execution.id)
    assert (await cairn.reach(execution.id, "completed")).output_data == {"sum": 9}


async def test_a_stale_revision_is_refused(cairn: Cairn, world) -> None:
    done = await completed(cairn, *ABC)
    paused = await cairn.reset(done.id, "rollback", "a", expected_revision=0)
    with pytest.raises(Conflict) as refused:
        await cairn.reset(done.id, "rollback", "a", expected_revision=0)
    assert refused.value.code == "stale_revision"
    assert refused.value.extra == {"revision": paused.revision}


async def test_a_point_that_is_not_there_yet_is_refused(idle_cairn: Cairn, world) -> None:
    cairn = idle_cairn
    async with cairn.worker():
        execution = await cairn.run(sequence(noting("a"), waiting("gate"), noting("c")))
        await until(lambda: world.waiting["gate"])
    # The worker is gone; its activity is told to end, and what it did is not yet seen by a workflow task.
    now = await cairn.get(execution.id)
    for checkpoint in now.checkpoints:
        assert checkpoint.resettable == (checkpoint.name in ("start", "a"))


async def test_state_at_each_checkpoint(cairn: Cairn) -> None:
    counting = [
        node(f"n{i}", "tool", tool="note", arguments={"entry": f"'n{i}'", "value": str(i)}, output="last")
        for i in (1, 2)
    ]
    execution = await cairn.run(sequence(*counting), {"q": 1})
    done = await cairn.reach(execution.id, "completed")
    async with cairn.executions() as service:
        states = [(await service.checkpoint(done.id, c.id)) for c in done.checkpoints]
    assert [s.state.get("last", {}).get("value") for s in states] == [None, 1, 2]
    assert [sorted(s.outputs) for s in states] == [[], ["n1", "start"], ["n1", "n2", "start"]]
    assert all(s.input == {"q": 1} for s in states)


async def test_a_checkpoint_of_another_execution_is_unknown(cairn: Cairn) -> None:
    one = await completed(cairn, *ABC)
    two = await completed(cairn, *ABC)
    with pytest.raises(NotFound):
        await cairn.reset(one.id, "replay", two.checkpoints[1].id)


async def test_reset_while_no_worker_polls_lands_when_one_comes(idle_cairn: Cairn, world, monkeypatch) -> None:
    monkeypatch.setattr("cairn.domain.executions.resets.WAIT", 0.5)
    cairn = idle_cairn
    async with cairn.worker():
        done = await completed(cairn, *ABC)
    from cairn.errors import Unavailable

    with pytest.raises(Unavailable) as waits:
        await cairn.reset(done.id, "replay", "a")
    assert waits.value.retry_after
    async with cairn.worker():
        await until(lambda: len(world.effects("c")) == 2)
        await cairn.reach(done.id, "completed")
    assert (len(world.effects("a")), len(world.effects("b"))) == (1, 2)
