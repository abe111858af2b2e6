"""Whose work goes first: what Temporal is told of an execution, and hands on to its activities."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphs import node, noting, sequence, waiting
from installation import Cairn, until
from system_tools import World
from temporalio.api.enums.v1 import EventType, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.common import Priority

from cairn.settings import Settings
from cairn.temporal.priority import priority_of


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str, temporal_port: int, task_queue: str) -> Settings:
    return Settings(
        home=tmp_path,
        database_url=sqlite_url,
        temporal_port=temporal_port,
        task_queue=task_queue,
        tool_modules=["system_tools"],
        fairness_weights={"acme": 2.5},
        worker_activities=1,  # so all have been in the queue: what never was in one is not told its priority
    )


@pytest.mark.parametrize(("said", "key"), [("low", 5), ("normal", 3), ("high", 1), ("urgent", None), (7, None)])
def test_the_words_of_the_metadata_are_temporals_keys(said: object, key: int | None) -> None:
    assert priority_of("acme", {"priority": said}, Settings()) == Priority(priority_key=key, fairness_key="acme")


async def test_an_execution_and_its_activities_carry_priority_and_tenant(idle_cairn: Cairn) -> None:
    asking = node("a", "tool", tool="own_priority", output="seen")
    end = node("end", "end", output={"seen": "state.seen"})
    workflow = await idle_cairn.publish(sequence(asking, end, state={"seen": {}}))
    execution = await idle_cairn.start(workflow, metadata={"priority": "high"})
    described = await idle_cairn.client.get_workflow_handle(execution.id).describe()
    wanted = Priority(priority_key=1, fairness_key="acme", fairness_weight=2.5)
    assert described.raw_info.priority == wanted._to_proto()
    async with idle_cairn.worker():
        done = await idle_cairn.reach(execution.id, "completed")
    assert done.output_data == {"seen": {"key": 1, "fairness": "acme", "weight": 2.5}}


@pytest.mark.parametrize(("room", "queued"), [(None, False), (1_000, False), (100, False), (99, True)])
async def test_a_worker_with_room_gives_an_executions_next_node_no_place_in_the_queue(
    idle_cairn: Cairn, room: int | None, queued: bool
) -> None:
    idle_cairn.settings = idle_cairn.settings.model_copy(update={"worker_activities": room})
    asking = node("a", "tool", tool="own_priority", output="seen")
    workflow = await idle_cairn.publish(sequence(asking, node("end", "end", output={"key": "state.seen.key"})))
    execution = await idle_cairn.start(workflow, metadata={"priority": "high"})
    async with idle_cairn.worker():
        done = await idle_cairn.reach(execution.id, "completed")
    assert done.output_data == {"key": 1 if queued else None}


async def test_a_worker_runs_no_more_nodes_at_a_time_than_it_is_told(idle_cairn: Cairn, world: World) -> None:
    workflow = await idle_cairn.publish(sequence(waiting("one")))
    executions = [await idle_cairn.start(workflow) for _ in range(2)]

    async def asked_for() -> bool:
        histories = [await idle_cairn.history(execution.id) for execution in executions]
        types = [event.event_type for history in histories for event in history.events]
        return types.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED) == 2

    async with idle_cairn.worker():
        await until(asked_for)
        await until(lambda: world.waiting["one"])
        assert world.waiting["one"] == 1
        world.gate("one").set()
        for execution in executions:
            await idle_cairn.reach(execution.id, "completed")


async def test_of_executions_that_wait_the_one_of_the_highest_priority_goes_first(
    idle_cairn: Cairn, world: World
) -> None:
    workflow = await idle_cairn.publish(sequence(noting("a")))
    gate = await idle_cairn.start(await idle_cairn.publish(sequence(waiting("one")), name="gate"))
    async with idle_cairn.worker():
        await until(lambda: world.waiting["one"])
        said = ({"priority": "low"}, {}, {"priority": "high"})
        low, none, high = [(await idle_cairn.start(workflow, metadata=each)).id for each in said]

        async def queued() -> bool:
            described = await idle_cairn.client.workflow_service.describe_task_queue(
                DescribeTaskQueueRequest(
                    namespace=idle_cairn.client.namespace,
                    task_queue=TaskQueue(name=idle_cairn.settings.task_queue),
                    task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
                    report_stats=True,
                )
            )
            return described.stats.approximate_backlog_count == 3

        await until(queued)
        world.gate("one").set()
        for id in (gate.id, low, none, high):
            await idle_cairn.reach(id, "completed")
    names = {low: "low", none: "none", high: "high"}
    assert [names[key.partition("/")[0]] for key in world.effects("a")] == ["high", "none", "low"]
