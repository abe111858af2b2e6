from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from calls import environment, fail, node_call, run

from activities.checkpoint import mark_checkpoint
from activities.guard import heartbeating
from cairn.contracts.nodes import PARKED, NodeResult


async def test_a_call_of_another_run_is_parked() -> None:
    error = await fail(mark_checkpoint, node_call(run_id="before the reset"), attempt=2)
    assert (error.type, error.non_retryable) == (PARKED, True)


async def test_a_call_of_this_run_is_done() -> None:
    assert await run(mark_checkpoint, node_call()) == NodeResult()


async def test_work_heartbeats_in_the_background() -> None:
    env, beats = environment(), asyncio.Event()
    count = 0

    def beat(*details: object) -> None:
        nonlocal count
        count += 1
        if count == 3:
            beats.set()

    env.on_heartbeat = beat

    async def work() -> str:
        async with heartbeating(timedelta(milliseconds=5)):
            await asyncio.wait_for(beats.wait(), 5)
        return "done"

    assert await env.run(work) == "done"
    after = count
    await asyncio.sleep(0.03)
    assert count == after, "it heartbeats though the work has ended"


async def test_a_cancelled_activity_stops_its_work_and_its_heartbeats() -> None:
    env, working = environment(), asyncio.Event()
    beats: list[tuple[object, ...]] = []
    env.on_heartbeat = lambda *details: beats.append(details)

    async def work() -> None:
        async with heartbeating(timedelta(milliseconds=5)):
            working.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(env.run(work))
    await working.wait()
    env.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    count = len(beats)
    await asyncio.sleep(0.03)
    assert len(beats) == count
