"""Executions that go on in new runs: one timeline, nothing lost, replay to any checkpoint of any run."""

from __future__ import annotations

import asyncio

import pytest
from graphs import edge, node, noting, waiting
from installation import Cairn, until
from people import answer, asked, send
from system.test_lineage import forked

from cairn.domain.executions import workflow_side
from cairn.errors import Unavailable
from cairn.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Continue after few events."""
    return settings.model_copy(update={"history_limit": 60})


def looping(rounds: int, *beside: dict, mode="all") -> dict:
    """A counter that goes round beside other branches."""
    return {
        "state": {"n": {"reducer": "sum", "default": 0}},
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            node("one", "transform", set={"n": "1"}, max_visits=100000),
            noting("step", max_visits=100000),
            node("more", "condition", max_visits=100000),
            *beside,
            node("meet", "join", mode=mode),
            node("end", "end", output={"n": "state.n", "all": "outputs.meet"}),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "one", "count"),
            edge("one", "step"),
            edge("step", "more"),
            edge("more", "one", "again", expression=f"state.n < {rounds}"),
            edge("more", "meet", "done"),
            *[e for n in beside for e in (edge("fan", n["id"], n["id"]), edge(n["id"], "meet"))],
            edge("meet", "end"),
        ],
    }


async def test_an_execution_of_many_steps_crosses_runs_and_keeps_one_timeline(cairn: Cairn, world) -> None:
    execution = await cairn.run(looping(60))
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data["n"] == 60
    assert [c.name for c in done.checkpoints] == ["start"] + ["step"] * 60
    assert [c.step for c in done.checkpoints] == list(range(61))
    assert len({c.run_id for c in done.checkpoints}) > 3
    assert len({c.id for c in done.checkpoints}) == 61


async def test_a_reset_to_an_earlier_run_is_later_than_commands_that_the_row_has_lost(cairn: Cairn, world) -> None:
    """On PostgreSQL an accident may lose what a row was told last."""
    execution = await cairn.run(looping(15, node("paid", "wait", event={"name": "paid"})))
    await until(lambda: len(world.of(execution.id)) == 15)
    async with cairn.executions() as service:
        paused = await service.pause(execution.id)
    early = (paused.checkpoints or [])[1]
    assert early.run_id != (await cairn.temporal.require(execution.id)).run_id and paused.revision == 1
    async with cairn.database.transaction() as session:
        row = await workflow_side.row_of(session, execution.id, lock=True)
        assert row is not None
        row.revision = 0
    gone_back = await cairn.reset(execution.id, "rollback", early.id)
    assert (gone_back.status, gone_back.revision) == ("paused", 2)


@pytest.mark.history("continued")
async def test_waits_answers_and_events_outlive_the_run_they_began_in(cairn: Cairn, world) -> None:
    graph = looping(
        30,
        node("paid", "wait", event={"name": "paid"}),
        node("ask", "question", prompt="?"),
        node("nap", "wait", seconds=0.5),
    )
    execution = await cairn.run(graph)
    request = await asked(cairn, execution.id)
    first = (await cairn.temporal.require(execution.id)).run_id

    async def crossed() -> bool:
        return len(world.of(execution.id)) == 30

    await until(crossed)
    assert (await cairn.temporal.require(execution.id)).run_id != first
    await answer(cairn, execution.id, request, "yes")
    await send(cairn, execution.id, "paid", 5)
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data["all"] == {"count": {"entry": "step", "value": None}, "paid": 5, "ask": "yes", "nap": None}


async def test_an_execution_can_be_replayed_from_a_checkpoint_of_an_earlier_run(cairn: Cairn, world) -> None:
    execution = await cairn.run(looping(40))
    done = await cairn.reach(execution.id, "completed")
    early = done.checkpoints[5]
    assert early.run_id != done.checkpoints[-1].run_id
    await cairn.reset(execution.id, "replay", early.id)
    again = await cairn.reach(execution.id, "completed")
    assert again.output_data["n"] == 40
    assert [c.name for c in again.checkpoints] == ["start"] + ["step"] * 40
    assert [c.id for c in again.checkpoints[:6]] == [c.id for c in done.checkpoints[:6]]
    assert not {c.id for c in again.checkpoints[6:]} & {c.id for c in done.checkpoints[6:]}
    assert len(world.of(execution.id)) == 40 + 35


async def test_a_paused_execution_is_not_continued_and_commands_reach_the_later_run(cairn: Cairn, world) -> None:
    execution = await cairn.run(looping(30, waiting("gate")))
    await until(lambda: len(world.of(execution.id)) >= 5)
    async with cairn.executions() as service:
        paused = await service.pause(execution.id)
    assert paused.status == "paused"
    async with cairn.executions() as service:
        await service.resume(execution.id)
    world.gate("gate").set()
    done = await cairn.reach(execution.id, "completed")
    assert (done.output_data["n"], done.revision) == (30, 2)


@pytest.mark.history("beside_slow_work", first_run=True)
async def test_a_loop_goes_on_beside_slow_work_when_its_run_is_long(cairn: Cairn, world) -> None:
    execution = await cairn.run(looping(24, waiting("gate")))
    first = (await cairn.temporal.require(execution.id)).run_id
    # 10 steps fill a run; 3 times as many would be too long.
    await until(lambda: len(world.of(execution.id)) >= 16)
    assert (await cairn.temporal.require(execution.id)).run_id == first
    world.gate("gate").set()
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data["n"] == 24
    assert [c.name for c in done.checkpoints if c.name != "gate"] == ["start"] + ["step"] * 24
    assert world.waiting["gate"] == 1
    seen = [c for c in done.checkpoints if c.name == "step" and c.run_id == first]
    async with cairn.executions() as service:
        state = await service.checkpoint(execution.id, seen[14].id)
    assert state.state["n"] == 15


async def test_children_outlive_the_run_they_began_in(cairn: Cairn, world) -> None:
    below = await cairn.publish(
        {
            "nodes": [node("start", "start"), waiting("gate"), node("end", "end", output={"got": "input.word"})],
            "edges": [edge("start", "gate"), edge("gate", "end")],
        }
    )
    body = {
        "nodes": [node("start", "start"), waiting("item"), node("end", "end", output={"got": "item"})],
        "edges": [edge("start", "item"), edge("item", "end")],
    }
    graph = looping(
        30,
        node("sub", "subgraph", workflow_id=below, input={"word": "'hello'"}),
        node("each", "map", items="[1, 2]", body=body, on_error="collect"),
    )
    execution = await cairn.run(graph)
    first = (await cairn.temporal.require(execution.id)).run_id
    await until(lambda: len(world.of(execution.id)) == 30)
    assert (await cairn.temporal.require(execution.id)).run_id != first
    world.gate("gate").set()
    world.gate("item").set()
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data["all"]["sub"] == {"got": "hello"}
    assert done.output_data["all"]["each"] == [{"value": {"got": 1}}, {"value": {"got": 2}}]
    assert (world.waiting["gate"], world.waiting["item"]) == (1, 2)


async def test_large_events_that_nobody_waits_for_yet_are_carried_along(cairn: Cairn, world) -> None:
    graph = looping(20)
    names = ["w1", "w2", "w3"]
    graph["nodes"] += [node(name, "wait", event={"name": "large"}) for name in names]
    graph["nodes"][-4]["data"]["output"] = {"got": "[outputs.w1.n, outputs.w2.n, outputs.w3.n]"}
    graph["edges"][-1:] = [edge("meet", "w1"), edge("w1", "w2"), edge("w2", "w3"), edge("w3", "end")]
    execution = await cairn.run(graph)
    for number in range(3):  # more than a payload may have
        await send(cairn, execution.id, "large", {"n": number, "text": "x" * 1_000_000}, event_id=f"e{number}")
    first = (await cairn.temporal.require(execution.id)).run_id
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"got": [0, 1, 2]}
    runs = list(dict.fromkeys(c.run_id for c in done.checkpoints))
    assert runs[0] == first and len(runs) > 1
    carried = (await cairn.temporal.reader.events(execution.id, runs[1]))[0].start.carry["state"]["inbox"]
    assert [event["payload"]["n"] for event in carried] == [0, 1, 2]


async def test_an_execution_is_forked_before_its_newest_run_has_landed(cairn: Cairn, world, monkeypatch) -> None:
    landed, gate = workflow_side.land, asyncio.Event()
    first: list[str] = []

    async def land(session, executions, request, run_id):
        first.append(run_id)
        if run_id != first[0] and not gate.is_set():
            raise Unavailable("not now")
        return await landed(session, executions, request, run_id)

    monkeypatch.setattr(workflow_side, "land", land)
    execution = await cairn.run(looping(20))
    await until(lambda: len(set(first)) == 2)
    made = await forked(cairn, execution.id, checkpoint_name="step", state_patch={"n": 19})
    gate.set()
    done = await cairn.reach(made.id, "completed")
    assert done.output_data["n"] == 20
    await cairn.reach(execution.id, "completed")
