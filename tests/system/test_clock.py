"""What is overdue is the same for the workflow and for who reads its history."""

from __future__ import annotations

import asyncio
import time

import pytest
from graphs import edge, node, noting, waiting
from installation import Cairn, until

from cairn.contracts.executions import Phase
from cairn.domain.executions import workflow_side

TIMEOUT = 1.5


async def test_a_wait_that_is_over_while_the_state_is_written_down_is_read_as_it_was(
    cairn: Cairn, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = workflow_side.record

    async def slowly(session, told) -> None:
        if told.phase is Phase.RUNNING and told.revision == 2:  # that of the resume
            await asyncio.sleep(1)
        await written(session, told)

    monkeypatch.setattr(workflow_side, "record", slowly)
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            node("race", "parallel"),
            waiting("gate"),
            waiting("slow"),
            node("first", "join", mode="any"),
            noting("x"),
            noting("x2"),
            node("ask", "wait", event={"name": "never"}, timeout=TIMEOUT),
            noting("late"),
            noting("later"),
            node("meet", "join"),
            node("end", "end"),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "race", "left"),
            edge("fan", "ask", "right"),
            edge("race", "gate", "a"),
            edge("race", "slow", "b"),
            edge("gate", "first"),
            edge("slow", "first"),
            edge("first", "x"),
            edge("x", "x2"),
            edge("x2", "meet"),
            edge("ask", "late", on="timeout"),
            edge("ask", "meet", "heard"),
            edge("late", "later"),
            edge("later", "meet"),
            edge("meet", "end"),
        ],
    }
    execution = await cairn.run(graph)
    begun = time.monotonic()
    await until(lambda: world.waiting["gate"] and world.waiting["slow"])
    async with cairn.executions() as service:
        await service.pause(execution.id)
    await cairn.reach(execution.id, "paused")
    world.gate("gate").set()
    await until(lambda: time.monotonic() > begun + TIMEOUT - 0.3)
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")
    names = {made.name for made in (await cairn.get(execution.id)).checkpoints}
    assert names >= {"gate", "x", "x2", "late", "later"}
