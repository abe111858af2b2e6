"""Resets of executions that have children, that are children, or that go on over several runs."""

from __future__ import annotations

import pytest
from graphs import edge, node, noting, sequence, waiting
from installation import Cairn, until
from system.test_children import children

from cairn.errors import Conflict
from cairn.settings import Settings

UNDO = {"tool": "note", "arguments": {"entry": "'undo ' + result.entry"}}


async def test_children_that_were_started_after_the_point_are_stopped(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(waiting("gate"), noting("never")))
    graph = sequence(noting("a"), node("sub", "subgraph", workflow_id=below), noting("b"))
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["gate"])
    (child,) = await children(cairn, execution.id)
    await cairn.reset(execution.id, "rollback", "a")
    assert (await cairn.reach(child.id, "cancelled")).output_data is None
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await until(lambda: world.waiting["gate"] == 2)
    world.gate("gate").set()
    await cairn.reach(execution.id, "completed")
    assert (len(world.effects("a")), len(world.effects("b")), len(world.effects("never"))) == (1, 1, 1)
    first, second = await children(cairn, execution.id)
    assert (first.id, first.status, second.status) == (child.id, "cancelled", "completed")


async def test_a_child_is_replayed_from_its_checkpoint_though_its_parent_has_gone_on(cairn: Cairn, world) -> None:
    below = await cairn.publish(
        sequence(noting("x"), noting("y"), node("end", "end", output={"got": "outputs.y.entry"})), "below"
    )
    graph = sequence(
        noting("a"),
        node("sub", "subgraph", workflow_id=below),
        noting("b"),
        node("end", "end", output={"got": "outputs.sub.got"}),
    )
    execution = await cairn.run(graph)
    await cairn.reach(execution.id, "completed")
    (child,) = await children(cairn, execution.id)
    shown = await cairn.reset(child.id, "replay", "x", key="once")
    assert shown.id == execution.id
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"got": "y"}
    assert [len(world.effects(name)) for name in ("a", "x", "y", "b")] == [1, 1, 2, 2]
    assert len(await children(cairn, execution.id)) == 2
    again = await cairn.reset(child.id, "replay", "x", key="once")
    assert again.temporal.run_id == done.temporal.run_id
    # The child that was replayed is none of the parent's any more; whoever still has its id is told the other's.
    (other,) = [each for each in await children(cairn, execution.id) if each.id != child.id]
    with pytest.raises(Conflict) as refused:
        await cairn.reset(child.id, "replay", "x")
    assert (refused.value.code, refused.value.extra) == ("not_resettable", {"execution_id": other.id})
    assert other.id in str(refused.value)


async def test_a_failed_grandchild_is_replayed_through_all_above_it(cairn: Cairn, world) -> None:
    lowest = await cairn.publish(sequence(noting("x"), noting("y")), "lowest")
    middle = await cairn.publish(sequence(noting("m"), node("sub", "subgraph", workflow_id=lowest)), "middle")
    graph = sequence(noting("a"), node("sub", "subgraph", workflow_id=middle), noting("b"))
    world.failing.add("y")
    execution = await cairn.run(graph)
    await cairn.reach(execution.id, "failed")
    (child,) = await children(cairn, execution.id)
    (grandchild,) = await children(cairn, child.id)
    world.failing.clear()
    shown = await cairn.reset(grandchild.id, "replay", "x")
    assert shown.id == execution.id
    await cairn.reach(execution.id, "completed")
    assert [len(world.effects(name)) for name in ("a", "m", "x", "y", "b")] == [1, 1, 1, 1, 1]


async def test_an_item_of_a_map_is_replayed_from_its_checkpoint(cairn: Cairn, world) -> None:
    body = sequence(
        node("one", "tool", tool="note", arguments={"entry": "'one ' + item"}),
        node("two", "tool", tool="note", arguments={"entry": "'two ' + item"}),
        node("end", "end", output={"got": "outputs.two.entry"}),
    )
    graph = sequence(
        noting("a"),
        node("each", "map", items="input.words", body=body),
        node("end", "end", output={"got": "outputs.each"}),
    )
    execution = await cairn.run(graph, {"words": ["p", "q"]})
    before = await cairn.reach(execution.id, "completed")
    items = [await cairn.get(each.id) for each in await children(cairn, execution.id)]
    item = next(each for each in items if each.output_data == {"got": "two q"})
    await cairn.reset(item.id, "replay", "one")
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == before.output_data
    assert [len(world.effects(name)) for name in ("a", "one q", "two q")] == [1, 1, 2]


class TestOverRuns:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"history_limit": 40})

    async def test_a_rollback_into_an_earlier_run_undoes_what_later_runs_did(self, cairn: Cairn, world) -> None:
        graph = {
            "nodes": [
                node("start", "start"),
                node("n", "tool", tool="note", arguments={"entry": "'n' + string(state.i)"}, compensate=UNDO),
                node("more", "transform", set={"i": "state.i + 1"}),
                node("again", "condition"),
                node("end", "end"),
            ],
            "edges": [
                edge("start", "n"),
                edge("n", "more"),
                edge("more", "again"),
                edge("again", "n", "more", expression="state.i < 20"),
                edge("again", "end", "done"),
            ],
            "state": {"i": {"default": 0}},
        }
        execution = await cairn.run(graph)
        done = await cairn.reach(execution.id, "completed")
        runs = {c.run_id for c in done.checkpoints}
        assert len(runs) > 1
        early = done.checkpoints[3]
        assert early.run_id != done.temporal.run_id
        back = await cairn.reset(execution.id, "rollback", early.id)
        assert [c.id for c in back.checkpoints] == [c.id for c in done.checkpoints[:4]]
        undone = [what for what in world.of(execution.id) if what.startswith("undo")]
        assert undone == [f"undo n{i}" for i in range(19, 2, -1)]
        async with cairn.executions() as service:
            await service.resume(execution.id)
        await cairn.reach(execution.id, "completed")
        assert [len(world.effects(f"n{i}")) for i in (0, 2, 3, 19)] == [1, 1, 2, 2]
