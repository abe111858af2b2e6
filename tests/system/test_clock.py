"""What is overdue is the same for the workflow and for who reads its history."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from graphs import edge, node, noting, waiting
from installation import Cairn, until
from temporalio.api.enums.v1 import EventType

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


async def test_a_task_that_tells_the_workflow_nothing_is_read_as_one_in_which_it_did_nothing(
    cairn: Cairn, world
) -> None:
    """Temporal hands no task to the workflow whose only news is the end of work that the workflow let go of."""
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            node("race", "parallel"),
            waiting("gate"),
            waiting("slow"),
            node("first", "join", mode="any"),
            node("ask", "wait", event={"name": "never"}, timeout=0.3),
            node("again", "wait", event={"name": "never"}, timeout=0.2),
            noting("late"),
            node("meet", "join"),
            node("end", "end", output={"waited": "outputs.again.error.message"}),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "race", "left"),
            edge("fan", "ask", "right"),
            edge("race", "gate", "a"),
            edge("race", "slow", "b"),
            edge("gate", "first"),
            edge("slow", "first"),
            edge("first", "meet"),
            edge("ask", "again", on="timeout"),
            edge("ask", "meet", "heard"),
            edge("again", "late", on="timeout"),
            edge("again", "meet", "heard too"),
            edge("late", "meet"),
            edge("meet", "end"),
        ],
    }
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["gate"] and world.waiting["slow"])
    begun = await until(lambda: timer_started(cairn, execution.id))
    world.gate("gate").set()
    await until(lambda: cancel_requested(cairn, execution.id))
    # A server of Temporal fires short timers about a second late: meanwhile comes the end of what was cancelled.
    await until(lambda: datetime.now(UTC) > begun + timedelta(seconds=0.35))
    world.gate("slow").set()
    done = await cairn.reach(execution.id, "completed")
    (late,) = [made for made in done.checkpoints if made.name == "late"]
    async with cairn.executions() as service:
        state = await service.checkpoint(execution.id, late.id)
    assert done.output_data == {"waited": state.outputs["again"]["error"]["message"]}


async def timer_started(cairn: Cairn, execution_id: str) -> datetime | None:
    return await time_of(cairn, execution_id, EventType.EVENT_TYPE_TIMER_STARTED)


async def cancel_requested(cairn: Cairn, execution_id: str) -> datetime | None:
    return await time_of(cairn, execution_id, EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED)


async def time_of(cairn: Cairn, execution_id: str, kind: EventType.ValueType) -> datetime | None:
    events = (await cairn.history(execution_id)).events
    return next((event.event_time.ToDatetime(UTC) for event in events if event.event_type == kind), None)
