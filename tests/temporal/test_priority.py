"""Whose work goes first: what Temporal is told of an execution, and hands on to its activities."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphs import node, sequence
from installation import Cairn
from temporalio.common import Priority
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.registry import Dependencies, activities
from cairn.settings import Settings
from cairn.temporal.priority import priority_of
from workflows.registry import WORKFLOWS


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str, temporal_port: int, task_queue: str) -> Settings:
    return Settings(
        home=tmp_path,
        database_url=sqlite_url,
        temporal_port=temporal_port,
        task_queue=task_queue,
        tool_modules=["system_tools"],
        fairness_weights={"acme": 2.5},
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
    dependencies = Dependencies(settings=idle_cairn.settings, database=idle_cairn.database, client=idle_cairn.client)
    async with Worker(
        idle_cairn.client,
        task_queue=idle_cairn.settings.task_queue,
        workflows=WORKFLOWS,
        activities=activities(dependencies),
        workflow_runner=UnsandboxedWorkflowRunner(),
        disable_eager_activity_execution=True,  # what never was in a queue is not told its priority
    ):
        done = await idle_cairn.reach(execution.id, "completed")
    assert done.output_data == {"seen": {"key": 1, "fairness": "acme", "weight": 2.5}}
