"""Child executions on a live server: subgraphs and maps below an execution."""

from __future__ import annotations

from datetime import timedelta

import pytest
from graphs import edge, node, noting, sequence, waiting
from installation import Cairn, until

from cairn.domain.executions.model import Children, Execution, ExecutionFilter
from cairn.domain.executions.orphans import Orphans
from cairn.domain.executions.reconcile import Reconciler
from cairn.domain.graphs.service import GraphService
from cairn.graph.validate import ValidationContext
from cairn.persistence.types import utc_now


async def children(cairn: Cairn, execution_id: str) -> list[Execution]:
    """Return the children of an execution, oldest first."""
    async with cairn.executions() as service:
        page = await service.list(ExecutionFilter(parent_execution_id=execution_id), 1, 100)
    return list(page.items)[::-1]


@pytest.mark.history("subgraph")
async def test_a_subgraph_is_an_execution_of_its_own_below_its_parent(cairn: Cairn, world) -> None:
    below = await cairn.publish(
        sequence(
            node("n", "tool", tool="note", arguments={"entry": "input.word"}),
            node("end", "end", output={"got": "outputs.n.entry"}),
        )
    )
    above = sequence(
        node("sub", "subgraph", workflow_id=below, input={"word": "input.word"}),
        node("end", "end", output={"got": "outputs.sub.got"}),
    )
    execution = await cairn.run(above, {"word": "hello"})
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"got": "hello"}
    (child,) = await children(cairn, done.id)
    shown = await cairn.get(child.id)
    assert (shown.status, shown.parent_execution_id, shown.workflow_id) == ("completed", done.id, below)
    assert [c.name for c in shown.checkpoints] == ["start", "n"]
    assert done.children is not None and done.children["sub"].completed == done.children["sub"].total == 1
    async with cairn.executions() as service:
        top = await service.list(ExecutionFilter(), 1, 10)
    assert [item.id for item in top.items] == [done.id]


@pytest.mark.history("map")
async def test_a_map_runs_its_body_once_for_each_item(cairn: Cairn, world) -> None:
    body = sequence(
        node("n", "tool", tool="note", arguments={"entry": "item", "value": "index + input.add"}),
        node("end", "end", output={"got": "outputs.n.value"}),
    )
    above = sequence(
        node("each", "map", items="input.words", body=body, concurrency=3),
        node("end", "end", output={"got": "outputs.each"}),
    )
    execution = await cairn.run(above, {"words": list("abcde"), "add": 10})
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"got": [{"got": number} for number in range(10, 15)]}
    assert done.children is not None and done.children["each"].completed == 5
    assert len(await children(cairn, done.id)) == 5


def above(workflow_id: str, *more, **data):
    """A graph that runs another one as its second node."""
    return sequence(noting("a"), node("sub", "subgraph", workflow_id=workflow_id, **data), noting("c"), *more)


async def test_a_child_runs_the_version_that_was_published_when_its_parent_began(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(noting("old")))
    execution = await cairn.run(sequence(waiting("gate"), node("sub", "subgraph", workflow_id=below)))
    await until(lambda: world.waiting["gate"])
    await publish_anew(cairn, below, sequence(noting("new")))
    world.gate("gate").set()
    await cairn.reach(execution.id, "completed")
    assert (len(world.effects("old")), len(world.effects("new"))) == (1, 0)
    await cairn.reset(execution.id, "replay", "start")
    await cairn.reach(execution.id, "completed")
    assert (len(world.effects("old")), len(world.effects("new"))) == (2, 0)


async def publish_anew(cairn: Cairn, workflow_id: str, definition) -> None:
    async with cairn.database.transaction() as session:
        graphs = GraphService(session, cairn.principal.scope, "ann", ValidationContext())
        await graphs.update(workflow_id, definition=definition)
        await graphs.publish(workflow_id)


async def test_a_graph_that_is_not_published_fails_its_node(cairn: Cairn) -> None:
    execution = await cairn.run(above("00000000-0000-0000-0000-000000000000"))
    failed = await cairn.reach(execution.id, "failed")
    assert failed.error is not None
    assert (failed.error["code"], failed.error["node_id"]) == ("graph_not_found", "sub")


async def test_a_failing_child_fails_its_node_with_its_code(cairn: Cairn, world) -> None:
    world.failing.add("b")
    execution = await cairn.run(above(await cairn.publish(sequence(noting("b")))))
    failed = await cairn.reach(execution.id, "failed")
    assert failed.error is not None
    assert (failed.error["code"], failed.error["node_id"]) == ("planned", "sub")


async def test_what_failed_children_have_used_counts_for_their_parent(cairn: Cairn, world) -> None:
    below = sequence(node("think", "agent", prompt="Say something"), noting("bad"))
    world.failing.add("bad")
    above = {
        "nodes": [
            node("start", "start"),
            node("sub", "subgraph", workflow_id=await cairn.publish(below), input={}),
            node("each", "map", items="[1, 2]", body=below, on_error="collect"),
            node("all", "map", items="[1]", body=below),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "sub"),
            edge("sub", "end", "well"),
            edge("sub", "each", "broken", on="error"),
            edge("each", "all"),
            edge("all", "end", "well"),
            edge("all", "end", "broken", on="error"),
        ],
    }
    execution = await cairn.run(above)
    done = await cairn.reach(execution.id, "completed")
    used = [child.usage for child in await children(cairn, execution.id)]
    assert [each and each["requests"] for each in used] == [1] * 4
    assert done.usage is not None and done.usage["requests"] == 4


async def test_a_graph_that_runs_itself_ends_at_the_depth_limit(cairn: Cairn) -> None:
    below = await cairn.publish(sequence(noting("a")))
    await publish_anew(cairn, below, sequence(node("again", "subgraph", workflow_id=below)))
    failed = await cairn.reach((await cairn.start(below)).id, "failed")
    assert failed.error is not None
    assert failed.error["code"] == "too_deep"


async def test_cancelling_a_parent_cancels_its_children(cairn: Cairn, world) -> None:
    execution = await cairn.run(above(await cairn.publish(sequence(waiting("gate")))))
    await until(lambda: world.waiting["gate"])
    async with cairn.executions() as service:
        await service.cancel(execution.id)
    await cairn.reach(execution.id, "cancelled")
    (child,) = await children(cairn, execution.id)
    await cairn.reach(child.id, "cancelled")


async def test_pausing_a_parent_pauses_its_children(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(waiting("gate"), noting("b")))
    execution = await cairn.run(above(below))
    await until(lambda: world.waiting["gate"])
    async with cairn.executions() as service:
        await service.pause(execution.id)
    (child,) = await children(cairn, execution.id)
    await cairn.reach(child.id, "paused")
    world.gate("gate").set()
    await until(lambda: world.effects("gate"))
    assert not world.effects("b")
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")
    assert len(world.effects("b")) == 1


async def test_a_rollback_to_before_a_child_stops_it(cairn: Cairn, world) -> None:
    execution = await cairn.run(above(await cairn.publish(sequence(waiting("gate")))))
    await until(lambda: world.waiting["gate"])
    await cairn.reset(execution.id, "rollback", "a")
    (orphan,) = await children(cairn, execution.id)
    await cairn.reach(orphan.id, "cancelled")
    world.gate("gate").set()
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")
    assert [child.status for child in await children(cairn, execution.id)] == ["cancelled", "completed"]


async def test_a_child_that_is_replayed_while_its_parent_waits_brings_its_result(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(noting("b"), waiting("gate")))
    execution = await cairn.run(above(below))
    await until(lambda: world.waiting["gate"])
    (child,) = await children(cairn, execution.id)
    await cairn.reset(child.id, "replay", "start", force=True)
    world.gate("gate").set()
    await cairn.reach(execution.id, "completed")
    assert (len(world.effects("b")), len(world.effects("c"))) == (2, 1)


async def test_children_of_a_terminated_parent_are_cancelled(cairn: Cairn, world) -> None:
    graph = sequence(
        node("each", "map", items="input.words", body=sequence(waiting("gate")), concurrency=2),
    )
    execution = await cairn.run(graph, {"words": list("abcd")})
    await until(lambda: world.waiting["gate"] == 2)
    await cairn.client.get_workflow_handle(execution.id).terminate()
    reconciler = Reconciler(cairn.database, cairn.temporal, utc_now() - timedelta(minutes=1))
    orphans = Orphans(cairn.database, cairn.temporal)

    async def stopped() -> bool:
        await reconciler.once()
        await orphans.once()
        return [child.status for child in await children(cairn, execution.id)] == ["cancelled", "cancelled"]

    await until(stopped)
    assert world.waiting["gate"] == 2


async def test_a_map_that_is_paused_with_its_parent_goes_on_with_it(cairn: Cairn, world) -> None:
    body = sequence(node("w", "tool", tool="wait_at", arguments={"gate": "item"}))
    graph = sequence(node("each", "map", items="input.words", body=body, concurrency=1))
    execution = await cairn.run(graph, {"words": ["a", "b"]})
    await until(lambda: world.waiting["a"])
    assert (await cairn.get(execution.id)).children == {"each": Children(waiting=1, running=1)}
    async with cairn.executions() as service:
        await service.pause(execution.id)
    (child,) = await children(cairn, execution.id)
    await cairn.reach(child.id, "paused")
    world.gate("a").set()
    world.gate("b").set()
    await until(lambda: world.effects("a"))
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")
    assert [world.waiting[item] for item in "ab"] == [1, 1]


@pytest.mark.parametrize("ends", ["before the reset", "after the resume"])
async def test_a_child_that_was_at_work_at_a_checkpoint_stays_attached(cairn: Cairn, world, ends: str) -> None:
    below = await cairn.publish(sequence(waiting("gate"), node("end", "end", output={"got": "input.word"})))
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            node("sub", "subgraph", workflow_id=below, input={"word": "'hello'"}),
            waiting("wait"),
            noting("a"),
            noting("b"),
            node("meet", "join"),
            node("end", "end", output={"got": "outputs.sub.got"}),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "sub", "left"),
            edge("fan", "wait", "right"),
            edge("wait", "a"),
            edge("a", "b"),
            edge("b", "meet"),
            edge("sub", "meet"),
            edge("meet", "end"),
        ],
    }
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["gate"] and world.waiting["wait"])
    world.gate("wait").set()
    await until(lambda: world.effects("b"))
    if ends == "before the reset":
        world.gate("gate").set()
        await cairn.reach(execution.id, "completed")
    else:
        await until(lambda: _resettable(cairn, execution.id, "a"))
    await cairn.reset(execution.id, "rollback", "a")
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await until(lambda: len(world.effects("b")) == 2)
    world.gate("gate").set()
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"got": "hello"}
    assert len(await children(cairn, execution.id)) == len(world.effects("gate")) == 1


async def _resettable(cairn: Cairn, execution_id: str, name: str) -> bool:
    return any(c.name == name and c.resettable for c in (await cairn.get(execution_id)).checkpoints)


async def test_a_failing_parent_cancels_its_children(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(waiting("gate")))
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            node("sub", "subgraph", workflow_id=below),
            waiting("before"),
            noting("bad"),
            node("meet", "join"),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "sub", "left"),
            edge("fan", "before", "right"),
            edge("before", "bad"),
            edge("bad", "meet"),
            edge("sub", "meet"),
            edge("meet", "end"),
        ],
    }
    world.failing.add("bad")
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["gate"] and world.waiting["before"])
    world.gate("before").set()
    await cairn.reach(execution.id, "failed")
    (child,) = await children(cairn, execution.id)
    await cairn.reach(child.id, "cancelled")


@pytest.mark.history("join_any")
async def test_a_branch_that_is_not_waited_for_any_more_stops_its_child(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(waiting("gate")))
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            node("sub", "subgraph", workflow_id=below),
            waiting("quick"),
            node("meet", "join", mode="any"),
            waiting("after"),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "sub", "left"),
            edge("fan", "quick", "right"),
            edge("quick", "meet"),
            edge("sub", "meet"),
            edge("meet", "after"),
            edge("after", "end"),
        ],
    }
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["gate"] and world.waiting["quick"])
    world.gate("quick").set()
    await until(lambda: world.waiting["after"])
    (child,) = await children(cairn, execution.id)
    await cairn.reach(child.id, "cancelled")
    world.gate("after").set()
    await cairn.reach(execution.id, "completed")


@pytest.mark.history("child_anew")
async def test_a_replay_of_a_cancelled_parent_starts_its_child_anew(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(waiting("gate")))
    execution = await cairn.run(sequence(noting("a"), node("sub", "subgraph", workflow_id=below)))
    await until(lambda: world.waiting["gate"])
    async with cairn.executions() as service:
        await service.cancel(execution.id)
    await cairn.reach(execution.id, "cancelled")
    (child,) = await children(cairn, execution.id)
    await cairn.reach(child.id, "cancelled")
    for each in ("a", "start"):
        await cairn.reset(execution.id, "replay", each, force=True)
        await until(lambda: world.waiting["gate"] >= 2)
    world.gate("gate").set()
    await cairn.reach(execution.id, "completed")


async def test_a_child_that_was_cancelled_while_it_ran_is_started_anew_when_the_checkpoint_lies_within_its_life(
    cairn: Cairn, world
) -> None:
    below = await cairn.publish(sequence(waiting("gate")))
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            node("sub", "subgraph", workflow_id=below),
            waiting("first"),
            noting("b"),
            waiting("second"),
            node("meet", "join"),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "sub", "left"),
            edge("fan", "first", "right"),
            edge("first", "b"),
            edge("b", "second"),
            edge("second", "meet"),
            edge("sub", "meet"),
            edge("meet", "end"),
        ],
    }
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["gate"] and world.waiting["first"])
    world.gate("first").set()
    await until(lambda: world.waiting["second"])
    async with cairn.executions() as service:
        await service.cancel(execution.id)
    await cairn.reach(execution.id, "cancelled")
    (child,) = await children(cairn, execution.id)
    await cairn.reach(child.id, "cancelled")
    await cairn.reset(execution.id, "replay", "b")
    await until(lambda: world.waiting["gate"] >= 2)
    for gate in ("gate", "second"):
        world.gate(gate).set()
    await cairn.reach(execution.id, "completed")
