"""Resets where several things meet: children, pauses, migrations, forks, new runs, operators, retention."""

from __future__ import annotations

import asyncio
import itertools
import uuid

import pytest
from graphs import edge, node, noting, sequence, waiting
from installation import Cairn, until
from people import answer, asked, send
from system.test_children import children
from system.test_continued import looping
from system.test_lineage import forked
from system.test_migrations import publish_next
from system.test_operator import temporal
from temporalio.service import RPCError, RPCStatusCode

from cairn.contracts.resets import ResetRequest
from cairn.domain.executions.migrate import migrate
from cairn.domain.executions.model import Execution
from cairn.domain.executions.orphans import Orphans
from cairn.errors import Conflict, NotFound
from cairn.graph.state import Wait
from cairn.settings import Settings
from cairn.temporal.reading import HistoryReader, Reset
from cairn.temporal.resets import ResetClient


def branches(left: list[dict], right: list[dict], **more) -> dict:
    """Two branches of nodes between a parallel and a join."""
    nodes = [node("start", "start"), node("fan", "parallel"), *left, *right, node("meet", "join")]
    edges = [edge("start", "fan"), edge("meet", "end")]
    for label, branch in (("left", left), ("right", right)):
        edges += [edge("fan", branch[0]["id"], label), edge(branch[-1]["id"], "meet")]
        edges += [edge(a["id"], b["id"]) for a, b in itertools.pairwise(branch)]
    return {"nodes": [*nodes, node("end", "end", output={"all": "outputs.meet"})], "edges": edges, **more}


def items_of(*words: str, **more) -> dict:
    """A map whose items write an entry and then wait at the gate of their word."""
    body = sequence(
        node("one", "tool", tool="note", arguments={"entry": "'one ' + item"}),
        node("two", "tool", tool="wait_at", arguments={"gate": "item"}),
        node("end", "end", output={"got": "outputs.two"}),
    )
    return node("each", "map", items=str(list(words)), body=body, **more)


async def settled(cairn: Cairn, execution_id: str, name: str) -> None:
    """Wait for a checkpoint that can be reset to."""

    async def seen() -> bool:
        return any(c.name == name and c.resettable for c in (await cairn.get(execution_id)).checkpoints or [])

    await until(seen)


async def command(cairn: Cairn, name: str, execution_id: str) -> Execution:
    async with cairn.executions() as service:
        return await getattr(service, name)(execution_id)


async def move(cairn: Cairn, execution_id: str, version: int) -> None:
    async with cairn.executions() as service:
        await migrate(service, execution_id, version)


async def reach_each(cairn: Cairn, execution_id: str, status: str) -> None:
    """Wait until the children of an execution that have not completed are in a state."""
    for child in await children(cairn, execution_id):
        if child.status != "completed":
            await cairn.reach(child.id, status)


async def waits_at(cairn: Cairn, execution_id: str, node_id: str) -> Wait | None:
    engine = (await cairn.temporal.project(await cairn.temporal.require(execution_id))).engine
    works = [work.run for work in engine.state.in_flight.values()] if engine.started else []
    return next((work for work in works if isinstance(work, Wait) and work.node_id == node_id), None)


# Versions.


async def test_a_fork_runs_the_version_that_ran_at_its_checkpoint(cairn: Cairn, world) -> None:
    graph = await cairn.publish(branches([noting("quick")], [waiting("gate"), noting("b")]))
    execution = await cairn.start(graph)
    await until(lambda: world.waiting["gate"])
    await settled(cairn, execution.id, "quick")
    await command(cairn, "pause", execution.id)
    world.gate("gate").set()
    await settled(cairn, execution.id, "gate")
    # What was under way at the checkpoint is no node of the version to which the execution moves after it.
    await move(cairn, execution.id, await publish_next(cairn, graph, branches([noting("quick")], [noting("b")])))
    other = await forked(cairn, execution.id, checkpoint_name="quick")
    assert (other.version, (await cairn.reach(other.id, "completed")).version) == (1, 1)
    assert world.of(other.id) == ["gate", "b"]


async def test_a_child_that_had_moved_to_another_version_is_replayed_by_it(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(waiting("gate"), noting("x")), "below")
    execution = await cairn.run(sequence(noting("a"), node("sub", "subgraph", workflow_id=below), noting("b")))
    await until(lambda: world.waiting["gate"])
    (child,) = await children(cairn, execution.id)
    await command(cairn, "pause", child.id)
    await move(cairn, child.id, await publish_next(cairn, below, sequence(waiting("gate"), noting("y"), noting("z"))))
    world.gate("gate").set()
    await command(cairn, "resume", child.id)
    await cairn.reach(execution.id, "completed")
    await cairn.reset(child.id, "replay", "y")
    await cairn.reach(execution.id, "completed")
    assert [len(world.effects(name)) for name in "axyzb"] == [1, 0, 1, 2, 2]


# Children.


@pytest.mark.history("child_paused_by_reset")
async def test_a_rollback_to_what_was_reached_in_a_pause_pauses_the_children(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(waiting("deep"), noting("x")))
    execution = await cairn.run(branches([waiting("gate")], [node("sub", "subgraph", workflow_id=below)]))
    await until(lambda: world.waiting["gate"] and world.waiting["deep"])
    (child,) = await children(cairn, execution.id)
    await command(cairn, "pause", execution.id)
    await cairn.reach(child.id, "paused")
    world.gate("gate").set()
    await settled(cairn, execution.id, "gate")
    await command(cairn, "resume", execution.id)
    await cairn.reach(child.id, "running")
    await cairn.reset(execution.id, "rollback", "gate")
    await cairn.reach(child.id, "paused")
    await command(cairn, "resume", execution.id)
    world.gate("deep").set()
    await cairn.reach(execution.id, "completed")


@pytest.mark.history("child_heard_after_resets")
async def test_the_end_of_a_child_is_heard_after_two_resets(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(waiting("deep"), noting("x")))
    gates = [waiting("g1"), waiting("g2"), waiting("g3")]
    execution = await cairn.run(branches(gates, [node("sub", "subgraph", workflow_id=below)]))
    await until(lambda: world.waiting["g1"] and world.waiting["deep"])
    world.gate("g1").set()
    await settled(cairn, execution.id, "g1")
    await cairn.reset(execution.id, "rollback", "g1")
    await command(cairn, "resume", execution.id)
    world.gate("g2").set()
    await settled(cairn, execution.id, "g2")
    world.gate("deep").set()

    async def taken() -> bool:
        projection = await cairn.temporal.project(await cairn.temporal.require(execution.id))
        return "sub" in projection.engine.state.outputs

    await until(taken)
    await cairn.reset(execution.id, "rollback", "g2")
    await command(cairn, "resume", execution.id)
    world.gate("g3").set()
    await cairn.reach(execution.id, "completed")
    assert len(world.effects("x")) == 1


async def test_an_item_that_was_rolled_back_is_cancelled_with_its_map(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(items_of("p", "q")))
    await until(lambda: world.waiting["p"] and world.waiting["q"])
    items = await children(cairn, execution.id)
    await cairn.reset(items[0].id, "rollback", "one")
    await command(cairn, "cancel", execution.id)
    await cairn.reach(execution.id, "cancelled")
    await reach_each(cairn, execution.id, "cancelled")


async def test_a_child_that_is_rolled_back_after_its_parents_end_is_left_alone(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(noting("x"), noting("y")))
    execution = await cairn.run(sequence(node("sub", "subgraph", workflow_id=below)))
    await cairn.reach(execution.id, "completed")
    (child,) = await children(cairn, execution.id)
    await cairn.reset(child.id, "rollback", "x")
    await Orphans(cairn.database, cairn.temporal).once()
    await command(cairn, "resume", child.id)
    await cairn.reach(child.id, "completed")
    assert len(world.effects("y")) == 2


async def test_a_half_done_map_outlives_rollbacks_into_it_and_not_those_before_it(cairn: Cairn, world) -> None:
    execution = await cairn.run(branches([waiting("g"), noting("b")], [items_of("p", "q", "r", concurrency=2)]))
    await until(lambda: all(world.waiting[gate] for gate in "pqg"))
    world.gate("g").set()
    await settled(cairn, execution.id, "g")
    world.gate("p").set()
    await until(lambda: world.waiting["r"])
    for _ in range(2):
        await cairn.reset(execution.id, "rollback", "g")
        await reach_each(cairn, execution.id, "paused")
    await cairn.reset(execution.id, "rollback", "start")
    await reach_each(cairn, execution.id, "cancelled")
    await command(cairn, "resume", execution.id)
    world.gate("q").set()
    world.gate("r").set()
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data["all"]["right"] == [{"got": "p"}, {"got": "q"}, {"got": "r"}]
    assert [len(world.effects(f"one {word}")) for word in "pqr"] == [2, 2, 2]


async def test_a_fork_of_a_fork_of_a_cancelled_execution_asks_and_runs_items_of_its_own(cairn: Cairn, world) -> None:
    graph = branches([noting("a"), node("ok", "approval", prompt="?")], [items_of("p", "q")])
    execution = await cairn.run(graph)
    requests: set[str] = set()
    for name, number in (("a", 1), ("start", 2)):
        await until(lambda number=number: world.waiting["p"] == world.waiting["q"] == number)
        await settled(cairn, execution.id, name)
        requests.add(await asked(cairn, execution.id))
        await command(cairn, "cancel", execution.id)
        await cairn.reach(execution.id, "cancelled")
        await reach_each(cairn, execution.id, "cancelled")
        execution = await forked(cairn, execution.id, checkpoint_name=name)
    last = await asked(cairn, execution.id)
    assert len({*requests, last}) == 3
    world.gate("p").set()
    world.gate("q").set()
    await answer(cairn, execution.id, last, {"decision": "approved"})
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data["all"]["right"] == [{"got": "p"}, {"got": "q"}]
    assert len(world.effects("a")) == 1


# People, and what comes between.


async def test_an_answer_that_comes_while_effects_are_undone_is_one_of_the_discarded_line(
    cairn: Cairn, world, monkeypatch
) -> None:
    undo = {"tool": "note", "arguments": {"entry": "'undo ' + result.entry"}}
    ask = node("ok", "approval", prompt="?")
    execution = await cairn.run(sequence(noting("a"), noting("b", compensate=undo), ask, noting("c")))
    before = await asked(cairn, execution.id)
    make = ResetClient.make

    async def late(self: ResetClient, request: ResetRequest) -> str:
        await answer(cairn, execution.id, before, {"decision": "approved"})
        return await make(self, request)

    monkeypatch.setattr(ResetClient, "make", late)
    assert (await cairn.reset(execution.id, "rollback", "a")).status == "paused"
    await command(cairn, "resume", execution.id)
    wait = await until(lambda: waits_at(cairn, execution.id, "ok"))
    assert (len(world.effects("undo b")), wait.request_id != before, world.effects("c")) == (1, True, [])
    await answer(cairn, execution.id, wait.request_id, {"decision": "approved"})
    await cairn.reach(execution.id, "completed")


async def test_one_that_is_terminated_before_it_has_landed_can_be_reset_again(idle_cairn: Cairn, world) -> None:
    cairn, request = idle_cairn, await reset_without_a_worker(idle_cairn)
    resets = ResetClient(cairn.temporal)
    made = await resets.make(request)
    await cairn.client.get_workflow_handle(request.temporal_id).terminate()
    with pytest.raises(Conflict) as refused:
        await asyncio.wait_for(resets.finish(request, made, lambda: None), 10)
    assert refused.value.code == "execution_closed"
    async with cairn.worker():
        assert (await cairn.reset(request.execution_id, "rollback", "a")).status == "paused"


async def reset_without_a_worker(cairn: Cairn) -> ResetRequest:
    """Return a rollback of an execution that has completed, to its first node, now that no worker runs."""
    async with cairn.worker():
        execution = await cairn.run(sequence(noting("a"), noting("b")))
        done = await cairn.reach(execution.id, "completed")
    point = next(c for c in done.checkpoints or [] if c.name == "a")
    assert done.temporal.run_id is not None and point.point is not None
    return ResetRequest(
        operation_id=f"op_{uuid.uuid4().hex}",
        request_digest="",
        temporal_id=execution.id,
        execution_id=execution.id,
        base_run_id=done.temporal.run_id,
        checkpoint_id=point.id,
        checkpoint_name=point.name,
        reset_event_id=point.point,
        kind="rollback",
    )


async def test_it_lands_though_retention_has_removed_what_was_reset(idle_cairn: Cairn, world, monkeypatch) -> None:
    cairn, request = idle_cairn, await reset_without_a_worker(idle_cairn)
    await ResetClient(cairn.temporal).make(request)

    reset_of = HistoryReader.reset_of

    async def removed(self: HistoryReader, temporal_id: str, run_id: str) -> Reset | None:
        reset = await reset_of(self, temporal_id, run_id)
        return reset and reset._replace(base_run_id=str(uuid.uuid4()))

    monkeypatch.setattr(HistoryReader, "reset_of", removed)
    async with cairn.worker():
        back = await cairn.reach(request.execution_id, "paused")
        assert back.revision == 1


# Over runs.


class TestOverRuns:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"history_limit": 60})

    async def begun(self, cairn: Cairn, world, *beside: dict) -> Execution:
        """Run rounds that take two runs, beside other branches."""
        execution = await cairn.run(looping(14, *beside))
        first = (await cairn.temporal.require(execution.id)).run_id
        await until(lambda: len(world.of(execution.id)) == 14)

        async def landed() -> bool:
            now = await cairn.temporal.require(execution.id)
            return now.run_id != first and (await cairn.temporal.project(now)).engine.lineage is not None

        await until(landed)
        await settled(cairn, execution.id, "step")
        return await cairn.get(execution.id)

    @pytest.mark.history("child_of_earlier_run")
    async def test_a_child_of_an_earlier_run_is_heard_after_a_reset(self, cairn: Cairn, world) -> None:
        below = await cairn.publish(sequence(waiting("deep"), noting("x")))
        execution = await self.begun(cairn, world, node("sub", "subgraph", workflow_id=below))
        await cairn.reset(execution.id, "rollback", "step")
        await command(cairn, "resume", execution.id)
        world.gate("deep").set()
        await cairn.reach(execution.id, "completed")
        assert len(world.effects("x")) == 1

    async def test_a_reset_to_the_beginning_of_a_later_run_shows(self, cairn: Cairn, world) -> None:
        execution = await self.begun(cairn, world, node("paid", "wait", event={"name": "paid"}))
        run_id = execution.temporal.run_id or ""
        history = await cairn.history(execution.id, run_id)
        first = next(e.event_id for e in history.events if e.HasField("workflow_task_completed_event_attributes"))
        await temporal(
            cairn, "workflow", "reset", "--workflow-id", execution.id, "--run-id", run_id, "--event-id", str(first),
            "--reason", "by hand",
        )  # fmt: skip
        back = await cairn.reach(execution.id, "paused")
        assert back.revision == execution.revision + 1
        await command(cairn, "resume", execution.id)
        await send(cairn, execution.id, "paid", 5)
        done = await cairn.reach(execution.id, "completed")
        assert done.output_data is not None
        assert (done.output_data["n"], done.output_data["all"]["paid"]) == (14, 5)

    async def test_a_checkpoint_whose_run_retention_has_removed_since_is_refused(
        self, cairn: Cairn, world, monkeypatch
    ) -> None:
        execution = await self.begun(cairn, world, node("paid", "wait", event={"name": "paid"}))
        gone, *_, kept = (c for c in execution.checkpoints or [] if c.name == "step")
        events = HistoryReader.events

        async def removed(self: HistoryReader, temporal_id: str, run_id: str, after: int = 0):
            if run_id == gone.run_id:
                raise RPCError("workflow execution not found", RPCStatusCode.NOT_FOUND, b"")
            return await events(self, temporal_id, run_id, after)

        monkeypatch.setattr(HistoryReader, "events", removed)
        with pytest.raises(Conflict) as refused:
            await cairn.reset(execution.id, "rollback", gone.id)
        assert refused.value.code == "not_resettable"
        with pytest.raises(Conflict):
            await forked(cairn, execution.id, checkpoint_id=gone.id)
        async with cairn.executions() as service:
            with pytest.raises(NotFound):
                await service.checkpoint(execution.id, gone.id)
        assert (await cairn.reset(execution.id, "rollback", kept.id)).status == "paused"
