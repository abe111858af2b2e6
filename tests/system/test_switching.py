"""The moment at which an execution goes on in a new run: nothing that is sent just then is lost or done twice."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import uuid
from datetime import timedelta

import pytest
from graphs import edge, node, noting, sequence
from installation import Cairn, until
from people import send

from cairn.contracts.executions import UPDATE_CANCEL, UPDATE_RESUME, Cancel, Command, Resume
from cairn.domain.executions.outside import Event, send_event
from cairn.errors import Conflict, Unavailable
from cairn.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Go on in a new run every few steps."""
    return settings.model_copy(update={"history_limit": 20})


def counting(rounds: int) -> dict:
    """A loop of one tool."""
    return {
        "state": {"n": {"reducer": "sum", "default": 0}},
        "nodes": [
            node("start", "start"),
            node("one", "transform", set={"n": "1"}, max_visits=100000),
            noting("step", max_visits=100000),
            node("end", "end", output={"n": "state.n"}),
        ],
        "edges": [
            edge("start", "one"),
            edge("one", "step"),
            edge("step", "one", "again", expression=f"state.n < {rounds}"),
            edge("step", "end", "done"),
        ],
    }


async def test_commands_reach_an_execution_whatever_run_it_is_in(cairn: Cairn, world) -> None:
    execution = await cairn.run(counting(200))
    accepted = 0

    async def command(name: str) -> None:
        nonlocal accepted
        before, key = (await cairn.get(execution.id)).revision, uuid.uuid4().hex

        async def taken():
            # Runs that last for a blink may be over each time that it comes: then it is sent again, with its key.
            async with cairn.executions() as service:
                with contextlib.suppress(Unavailable):
                    return await getattr(service, name)(execution.id, key=key)

        accepted += (await until(taken)).revision > before

    with contextlib.suppress(Conflict):  # it has ended
        while True:
            await command("pause")
            await command("resume")
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data["n"] == 200
    assert done.revision == accepted >= 2
    assert len(world.of(execution.id)) == 200


async def test_a_command_that_is_sent_again_in_a_later_run_is_not_carried_out_again(cairn: Cairn, world) -> None:
    execution = await cairn.run(counting(40))
    key = uuid.uuid4().hex
    async with cairn.executions() as service:
        await service.pause(execution.id, key=key)
    first = (await cairn.temporal.require(execution.id)).run_id
    async with cairn.executions() as service:
        await service.resume(execution.id)

    async def elsewhere() -> bool:
        return (await cairn.temporal.require(execution.id)).run_id != first

    await until(elsewhere)
    async with cairn.executions() as service:
        again = await service.pause(execution.id, key=key)
    assert (again.status, again.revision) == ("running", 2)
    done = await cairn.reach(execution.id, "completed")
    async with cairn.executions() as service:
        assert (await service.pause(execution.id, key=key)).revision == done.revision


async def test_a_command_that_comes_with_the_switch_is_seen_at_once_and_a_cancellation_is_heeded(
    idle_cairn: Cairn,
) -> None:
    cairn = idle_cairn
    async with cairn.worker():
        executions = [await cairn.run(sequence(node("w", "wait", event={"name": "go"}))) for _ in range(2)]
        for execution in executions:
            await until(functools.partial(_waits, cairn, execution.id))
        paused, cancelled = executions
        async with cairn.executions() as service:
            await service.pause(paused.id)
    first = [(await cairn.temporal.require(execution.id)).run_id for execution in executions]
    # What comes while no worker is there is told in one workflow task, and there is enough to go on in a new run.
    for execution in executions:
        for number in range(30):
            await send(cairn, execution.id, "noise", event_id=f"e{number}")
    commands = [
        asyncio.create_task(_send(cairn, paused.id, UPDATE_RESUME, Resume(lineage=first[0]))),
        asyncio.create_task(_send(cairn, cancelled.id, UPDATE_CANCEL, Cancel(lineage=first[1]))),
    ]
    await asyncio.sleep(0.3)  # the server holds them until a worker comes; nothing tells that it has them
    async with cairn.worker():
        await asyncio.gather(*commands)
        await cairn.reach(cancelled.id, "cancelled")

        async def gone_on() -> bool:
            now = await cairn.temporal.require(paused.id)
            return now.run_id != first[0] and (now.phase, now.revision) == ("running", 2)

        await until(gone_on)
        async with cairn.executions() as service:
            await send_event(service, paused.id, Event("go", 7))
        done = await cairn.reach(paused.id, "completed")
        assert done.revision == 2


async def test_events_from_outside_are_heard_once_whatever_run_they_meet(cairn: Cairn, world) -> None:
    graph = counting(30)
    graph["nodes"] += [
        node("fan", "parallel"),
        node("tick", "wait", event={"name": "tick"}, max_visits=1000),
        node("add", "transform", set={"ticks": "outputs.tick"}, max_visits=1000),
        node("meet", "join"),
    ]
    graph["state"]["ticks"] = {"reducer": "append", "default": []}
    graph["edges"] = [each for each in graph["edges"] if each["target"] != "end" and each["source"] != "start"]
    graph["edges"] += [
        edge("start", "fan"),
        edge("fan", "one", "steps"),
        edge("fan", "tick", "ticks"),
        edge("step", "meet", "done"),
        edge("tick", "add"),
        edge("add", "tick", "again", expression="size(state.ticks) < 20"),
        edge("add", "meet", "heard"),
        edge("meet", "end"),
    ]
    graph["nodes"][3]["data"]["output"] = {"n": "state.n", "ticks": "state.ticks"}
    execution = await cairn.run(graph)
    for number in range(20):
        async with cairn.executions() as service:
            for _ in range(2):
                await send_event(service, execution.id, Event("tick", number, event_id=f"tick{number}"))
        await asyncio.sleep(0.05)  # over several runs
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"n": 30, "ticks": list(range(20))}
    assert len({c.run_id for c in done.checkpoints}) > 3


async def test_an_execution_is_reset_while_it_goes_on_in_new_runs(cairn: Cairn, world) -> None:
    execution = await cairn.run(counting(30))
    for steps in (8, 20):
        await until(lambda steps=steps: len(world.of(execution.id)) >= steps)
        await until(functools.partial(_replayed, cairn, execution.id))
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data["n"] == 30
    assert [(c.step, c.name) for c in done.checkpoints] == [(0, "start")] + [(n, "step") for n in range(1, 31)]
    assert len({c.id for c in done.checkpoints}) == 31
    assert done.revision == 4


async def _replayed(cairn: Cairn, execution_id: str) -> bool:
    try:
        await cairn.reset(execution_id, "replay", "step", force=True)
    except Conflict as error:
        assert error.code == "checkpoint_not_settled"
        return False
    return True


async def _waits(cairn: Cairn, execution_id: str) -> bool:
    return (await cairn.temporal.require(execution_id)).length > 4


async def _send(cairn: Cairn, execution_id: str, name: str, command: Command) -> None:
    """Send a command as often as it takes until a worker answers."""
    key = uuid.uuid4().hex
    handle = cairn.client.get_workflow_handle(execution_id)
    await handle.execute_update(name, command, id=key, rpc_timeout=timedelta(seconds=30))
