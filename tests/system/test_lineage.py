"""What resets leave behind and what they would come to: lineage, impact, differences, forks."""

from __future__ import annotations

import json

import jsonpatch
import pytest
from graphs import edge, node, noting, sequence, waiting
from installation import Cairn, until
from people import answer, asked
from system.test_operator import reset as reset_by_hand

from cairn.domain.executions.comparison import compare
from cairn.domain.executions.fork import fork
from cairn.domain.executions.impact import impact_of
from cairn.domain.executions.lineage import lineage_of
from cairn.domain.executions.model import ExecutionFilter, ForkExecution
from cairn.errors import Conflict, InvalidInput, NotFound

UNDO = {"tool": "note", "arguments": {"entry": "'undo ' + result.entry"}}


async def lineage(cairn: Cairn, execution_id: str):
    async with cairn.executions() as service:
        return await lineage_of(service, execution_id)


async def impact(cairn: Cairn, execution, name: str, **more):
    checkpoint = [c for c in execution.checkpoints if c.name == name][-1]
    async with cairn.executions() as service:
        return await impact_of(service, execution.id, checkpoint.id, **{"reuse_completed": True, **more})


async def forked(cairn: Cairn, source: str, **more):
    async with cairn.executions() as service:
        row = await fork(service, source, ForkExecution(**more))
        await service.session.commit()
        cairn.started.append(row.temporal_id)
        return await service.start(row)


async def test_lineage_tells_every_reset_also_those_of_operators(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(noting("a"), noting("b", compensate=UNDO), noting("c")))
    done = await cairn.reach(execution.id, "completed")
    assert (await lineage(cairn, execution.id)).resets == []
    await cairn.reset(execution.id, "replay", "b")
    await cairn.reach(execution.id, "completed")
    back = await cairn.reset(execution.id, "rollback", "a")
    async with cairn.executions() as service:
        await service.resume(execution.id)
    again = await cairn.reach(execution.id, "completed")
    await reset_by_hand(cairn, again, "b")
    by_hand = await cairn.reach(execution.id, "paused")
    told = (await lineage(cairn, execution.id)).resets
    assert [(each.kind, each.by, each.checkpoint_name) for each in told] == [
        ("replay", "ann", "b"),
        ("rollback", "ann", "a"),
        ("reset", "temporal", "b"),
    ]
    assert [each.from_run_id for each in told] == [done.temporal.run_id, told[0].run_id, back.temporal.run_id]
    assert [each.revision for each in told] == [1, 3, 5]
    assert told[1].checkpoint_id == back.checkpoints[-1].id
    assert told[2].checkpoint_id == by_hand.checkpoints[-1].id
    assert "by hand" in told[2].reason
    assert [(each.node_id, each.status) for each in told[1].compensations] == [("c", "skipped"), ("b", "done")]
    assert told[2].run_id == by_hand.temporal.run_id


async def test_impact_says_before_what_a_rollback_then_does(cairn: Cairn, world) -> None:
    graph = sequence(noting("a"), noting("b", compensate=UNDO), noting("plain"), waiting("gate", compensate=UNDO))
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["gate"])
    now = await cairn.get(execution.id)
    told = await impact(cairn, now, "a")
    line = now.temporal.run_id
    assert [(v.node_id, v.visit) for v in told.runs_again] == [("b", 1), ("plain", 1), ("gate", 1)]
    assert [(e.visit.node_id, e.status, e.idempotency_key) for e in told.effects] == [
        ("gate", "running", f"{execution.id}/gate/1/{line}"),
        ("plain", "done", f"{execution.id}/plain/1/{line}"),
        ("b", "done", f"{execution.id}/b/1/{line}"),
    ]
    assert world.effects("plain") == [told.effects[1].idempotency_key]
    assert [(u.node_id, u.tool, u.arguments) for u in told.compensations] == [("b", "note", {"entry": "undo b"})]
    assert [(u.node_id, u.status) for u in told.not_undone] == [("gate", "uncertain"), ("plain", "skipped")]
    assert (await impact(cairn, now, "plain")).compensations == []
    assert len(world.ledger) == 3  # nothing was done


async def test_impact_says_what_siblings_are_kept(cairn: Cairn, world) -> None:
    graph = {
        "nodes": [node("start", "start"), node("fan", "parallel"), noting("left"), noting("left2"), waiting("gate"),
                  noting("right"), node("meet", "join"), node("end", "end")],
        "edges": [edge("start", "fan"), edge("fan", "left", "left"), edge("fan", "gate", "right"),
                  edge("left", "left2"), edge("gate", "right"), edge("left2", "meet"), edge("right", "meet"),
                  edge("meet", "end")],
    }  # fmt: skip
    execution = await cairn.run(graph)
    await until(lambda: world.effects("left2"))
    world.gate("gate").set()
    done = await cairn.reach(execution.id, "completed")
    told = await impact(cairn, done, "left")
    assert [v.node_id for v in told.kept] == ["gate", "right"]  # the gate was under way at the point
    assert [v.node_id for v in told.runs_again] == ["left2"]
    told = await impact(cairn, done, "left", reuse_completed=False)
    assert (told.kept, {v.node_id for v in told.runs_again}) == ([], {"left2", "gate", "right"})
    await cairn.reset(execution.id, "replay", "left")
    await cairn.reach(execution.id, "completed")
    assert [len(world.effects(n)) for n in ("left", "left2", "gate", "right")] == [1, 2, 1, 1]
    await cairn.reset(execution.id, "replay", "left", reuse_completed=False)
    await cairn.reach(execution.id, "completed")
    assert [len(world.effects(n)) for n in ("left", "left2", "right")] == [1, 3, 2]


async def test_a_replay_inside_a_branch_keeps_children_items_and_answers_of_the_sibling(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(noting("x"), node("end", "end", output={"got": "'x'"})))
    graph = {
        "nodes": [node("start", "start"), node("fan", "parallel"), noting("left"), noting("left2"), waiting("gate"),
                  node("sub", "subgraph", workflow_id=below), node("each", "map", items="[1, 2]", workflow_id=below),
                  node("ask", "question", prompt="?"), node("meet", "join"),
                  node("end", "end", output={"all": "outputs.meet", "sub": "outputs.sub", "each": "outputs.each"})],
        "edges": [edge("start", "fan"), edge("fan", "left", "left"), edge("fan", "gate", "right"),
                  edge("left", "left2"), edge("gate", "sub"), edge("sub", "each"), edge("each", "ask"),
                  edge("left2", "meet"), edge("ask", "meet"), edge("meet", "end")],
    }  # fmt: skip
    execution = await cairn.run(graph)
    await until(lambda: world.effects("left2"))
    world.gate("gate").set()
    request = await asked(cairn, execution.id)
    await answer(cairn, execution.id, request, 7)
    done = await cairn.reach(execution.id, "completed")
    assert [v.node_id for v in (await impact(cairn, done, "left")).kept] == ["gate", "sub", "each", "ask"]
    await cairn.reset(execution.id, "replay", "left")
    again = await cairn.reach(execution.id, "completed")
    assert again.output_data == done.output_data
    assert (len(world.effects("x")), len(world.effects("left2")), again.output_data["all"]["right"]) == (3, 2, 7)
    await cairn.reset(execution.id, "replay", "left", reuse_completed=False)
    anew = await asked(cairn, execution.id)
    assert anew != request
    await answer(cairn, execution.id, anew, 8)
    last = await cairn.reach(execution.id, "completed")
    assert (len(world.effects("x")), last.output_data["all"]["right"]) == (6, 8)


async def test_the_difference_of_two_checkpoints_is_a_json_patch(cairn: Cairn) -> None:
    counting = [
        node(f"n{i}", "tool", tool="note", arguments={"entry": f"'n{i}'", "value": str(i)}, output="last")
        for i in (1, 2, 3)
    ]
    execution = await cairn.run(sequence(*counting), {"q": 1})
    done = await cairn.reach(execution.id, "completed")
    one, other = done.checkpoints[1], done.checkpoints[3]
    async with cairn.executions() as service:
        first, last = await service.checkpoint(done.id, one.id), await service.checkpoint(done.id, other.id)
        forth, back = await compare(service, first, other.id), await compare(service, last, one.id)
        nothing = await compare(service, first, one.id)
        with pytest.raises(NotFound):
            await compare(service, first, "chk_" + "0" * 32)
    # As JSON: in memory a value may stand at two places, and a patch of the one would show at the other.
    known = [json.loads(json.dumps({"input": s.input, "state": s.state, "outputs": s.outputs})) for s in (first, last)]
    assert jsonpatch.apply_patch(known[0], forth.patch) == known[1]
    assert jsonpatch.apply_patch(known[1], back.patch) == known[0]
    assert [v.node_id for v in forth.completed] == [v.node_id for v in back.completed] == ["n2", "n3"]
    assert (nothing.patch, nothing.completed) == ([], [])


async def test_a_fork_starts_from_the_checkpoint_while_the_first_goes_on(cairn: Cairn, world) -> None:
    graph = sequence(
        noting("a"),
        waiting("gate"),
        node("b", "tool", tool="note", arguments={"entry": "'b'", "value": "input.n + state.m"}),
        node("end", "end", output={"sum": "outputs.b.value"}),
        state={"m": {"default": 1, "schema": {"type": "integer"}}},
        input_schema={"type": "object", "properties": {"n": {"type": "integer"}}},
    )
    execution = await cairn.run(graph, {"n": 1})
    await until(lambda: world.waiting["gate"])
    other = await forked(cairn, execution.id, checkpoint_name="a", input_patch={"n": 10}, state_patch={"m": 5})
    await until(lambda: world.waiting["gate"] == 2)
    world.gate("gate").set()
    first, second = await cairn.reach(execution.id, "completed"), await cairn.reach(other.id, "completed")
    assert (first.output_data, second.output_data) == ({"sum": 2}, {"sum": 15})
    assert (first.input_data, second.input_data, second.version) == ({"n": 1}, {"n": 10}, first.version)
    assert len(world.effects("a")) == 1
    assert {key.split("/")[0] for key in world.effects("b")} == {execution.id, other.id}
    assert (second.forked_from.execution_id, second.forked_from.checkpoint_id) == (
        execution.id,
        first.checkpoints[1].id,
    )
    # The fork has checkpoints of its own, and the first of them is where it began.
    assert [c.name for c in second.checkpoints] == ["start", "gate", "b"]
    async with cairn.executions() as service:
        assert sorted((await service.checkpoint(other.id, second.checkpoints[0].id)).outputs) == ["a", "start"]
    await cairn.reset(other.id, "replay", "start")
    assert (await cairn.reach(other.id, "completed")).output_data == {"sum": 15}


async def test_a_fork_out_of_a_parallel_does_again_what_was_in_flight(cairn: Cairn, world) -> None:
    graph = {
        "nodes": [node("start", "start"), node("fan", "parallel"), noting("quick"), waiting("slow"),
                  node("meet", "join"), node("end", "end", output={"x": "outputs.slow"})],
        "edges": [edge("start", "fan"), edge("fan", "quick", "quick"), edge("fan", "slow", "slow"),
                  edge("quick", "meet"), edge("slow", "meet"), edge("meet", "end")],
    }  # fmt: skip
    execution = await cairn.run(graph)

    async def settled():
        now = await cairn.get(execution.id)
        return any(c.name == "quick" and c.resettable for c in now.checkpoints)

    await until(settled)
    other = await forked(cairn, execution.id, checkpoint_name="quick")
    await until(lambda: world.waiting["slow"] == 2)
    world.gate("slow").set()
    assert (await cairn.reach(other.id, "completed")).output_data == {"x": "slow"}
    await cairn.reach(execution.id, "completed")
    assert (len(world.effects("quick")), len(set(world.effects("slow")))) == (1, 2)


async def test_an_item_of_a_map_is_forked_and_the_fork_runs_the_inline_body(cairn: Cairn, world) -> None:
    inner = sequence(
        node("two", "tool", tool="note", arguments={"entry": "'two ' + item + string(input.n)"}),
        node("end", "end", output={"got": "outputs.two.entry", "at": "index"}),
    )
    body = sequence(
        node("one", "tool", tool="note", arguments={"entry": "'one ' + item"}),
        node("below", "map", items="[item + '1', item + '2']", body=inner),
        node("end", "end", output={"got": "outputs.below"}),
    )
    execution = await cairn.run(sequence(node("each", "map", items="['p', 'q']", body=body)), {"n": 1})
    await cairn.reach(execution.id, "completed")
    async with cairn.executions() as service:
        page = await service.list(ExecutionFilter(parent_execution_id=execution.id), 1, 10)
    item = next(i for i in page.items if (i.output_data or {})["got"][0]["got"] == "two q11")
    async with cairn.executions() as service:
        page = await service.list(ExecutionFilter(parent_execution_id=item.id), 1, 10)
    for source, name in ((item, "one"), (page.items[0], "two")):
        made = await forked(cairn, source.id, checkpoint_name=name, input_patch={"n": 2})
        done = await cairn.reach(made.id, "completed")
        expected = (
            {"got": [{"got": f"two q{i}2", "at": i - 1} for i in (1, 2)]} if source is item else source.output_data
        )
        assert (done.output_data, done.parent_execution_id) == (expected, None)
        assert done.forked_from is not None and done.forked_from.execution_id == source.id
    # A fork is an execution as any other: it can be reset, and forked again.
    made = await forked(cairn, item.id, checkpoint_name="start")
    await cairn.reach(made.id, "completed")
    await cairn.reset(made.id, "replay", "start")
    done = await cairn.reach(made.id, "completed")
    again = await forked(cairn, made.id, checkpoint_name="one")
    assert (await cairn.reach(again.id, "completed")).output_data == done.output_data == item.output_data


async def test_what_a_fork_refuses(cairn: Cairn, world) -> None:
    graph = sequence(noting("a"), input_schema={"type": "object", "properties": {"n": {"type": "integer"}}})
    execution = await cairn.start(await cairn.publish(graph), {"n": 1}, metadata={"k": "v"}, execution_id="first")
    await cairn.reach(execution.id, "completed")
    with pytest.raises(NotFound):
        await forked(cairn, execution.id, checkpoint_name="nowhere")
    with pytest.raises(InvalidInput) as refused:
        await forked(cairn, execution.id, checkpoint_name="a", input_patch={"n": "x"})
    assert [e.pointer for e in refused.value.errors] == ["/input_patch/n"]
    with pytest.raises(Conflict) as taken:
        await forked(cairn, execution.id, checkpoint_name="a", execution_id="first")
    assert taken.value.code == "execution_exists"
    made = await forked(cairn, execution.id, checkpoint_name="a", execution_id="second")
    assert (made.id, made.metadata) == ("second", {"k": "v"})
    await cairn.reach("second", "completed")


async def test_a_fork_that_temporal_did_not_hear_of_starts_from_its_checkpoint_all_the_same(
    cairn: Cairn, world
) -> None:
    from datetime import timedelta

    from cairn.domain.executions import reconcile
    from cairn.persistence.types import utc_now

    execution = await cairn.run(sequence(noting("a"), noting("b")))
    await cairn.reach(execution.id, "completed")
    async with cairn.executions() as service:
        row = await fork(service, execution.id, ForkExecution(checkpoint_name="a"))
    await cairn.reset(execution.id, "rollback", "start")  # its checkpoint is gone when it starts
    reconciler = reconcile.Reconciler(cairn.database, cairn.temporal, utc_now() - timedelta(minutes=1))
    await until(lambda: _started(cairn, reconciler, row.id))
    await cairn.reach(row.id, "completed")
    assert world.of(row.id) == ["b"]


async def _started(cairn: Cairn, reconciler, execution_id: str) -> bool:
    await reconciler.start_pending()
    return (await cairn.get(execution_id)).temporal.run_id is not None
