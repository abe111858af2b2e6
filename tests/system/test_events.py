"""The live events of an execution."""

from __future__ import annotations

import asyncio

from graphs import noting, sequence, waiting
from installation import Cairn, until

from cairn.domain.executions.stream import Following


async def collected(cairn: Cairn, execution_id: str, after: int | None = None, stop=lambda event: False):
    events = []
    async with cairn.executions() as service:
        stream = await service.events(execution_id, Following(-1 if after is None else after))
    async with asyncio.timeout(20):
        async for event in stream:
            events.append(event)
            if stop(event):
                break
    return events


async def test_a_run_is_told_in_order_and_ends(cairn: Cairn) -> None:
    execution = await cairn.run(sequence(noting("a"), noting("b")))
    events = await collected(cairn, execution.id)
    assert [(e.type, e.node_id or e.data.get("status")) for e in events] == [
        ("status", "running"),
        ("node_started", "a"),
        ("node_completed", "a"),
        ("checkpoint", "a"),
        ("node_started", "b"),
        ("node_completed", "b"),
        ("checkpoint", "b"),
        ("status", "completed"),
    ]
    seqs = [e.seq for e in events]
    assert seqs == sorted(set(seqs))
    half = seqs[3]
    assert [e.seq for e in await collected(cairn, execution.id, half)] == seqs[4:]


async def test_a_follower_goes_over_a_reset(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(noting("a"), waiting("gate")))
    follower = asyncio.create_task(collected(cairn, execution.id))
    await until(lambda: world.waiting["gate"])
    await cairn.reset(execution.id, "replay", "a", force=True)
    world.gate("gate").set()
    events = await follower
    kinds = [e.type for e in events]
    assert "reset" in kinds
    assert (events[-1].type, events[-1].data["status"]) == ("status", "completed")
    seqs = [e.seq for e in events]
    assert seqs == sorted(set(seqs))
    assert [e.data["status"] for e in events if e.type == "status"] == ["running", "paused", "running", "completed"]
    after_reset = events[kinds.index("reset") :]
    assert len({e.lineage for e in after_reset}) == 1
    assert after_reset[0].lineage != events[0].lineage


async def test_pause_and_failure_are_told(cairn: Cairn, world) -> None:
    world.failing.add("b")
    execution = await cairn.run(sequence(waiting("a"), noting("b")))
    await until(lambda: world.waiting["a"])
    async with cairn.executions() as service:
        await service.pause(execution.id)
    world.gate("a").set()
    async with cairn.executions() as service:
        await service.resume(execution.id)
    events = await collected(cairn, execution.id)
    statuses = [e.data["status"] for e in events if e.type == "status"]
    assert statuses == ["running", "paused", "running", "failed"]
    told = [(e.type, e.node_id or e.data["status"]) for e in events]
    assert told.index(("node_started", "b")) - told.index(("checkpoint", "a")) <= 2
    assert max(i for i, t in enumerate(told) if t == ("status", "running")) < told.index(("node_started", "b"))
    failed = next(e for e in events if e.type == "node_failed")
    assert (failed.node_id, failed.data["code"], failed.data["attempt"]) == ("b", "planned", 1)
