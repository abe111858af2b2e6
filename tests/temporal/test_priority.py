"""Whose work goes first: what Temporal is told of an execution, and hands on to its activities."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from graphs import noting, sequence, waiting
from installation import Cairn, until
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
    )


@pytest.mark.parametrize(("said", "key"), [("low", 5), ("normal", 3), ("high", 1), ("urgent", None), (7, None)])
def test_the_words_of_the_metadata_are_temporals_keys(said: object, key: int | None) -> None:
    assert priority_of("acme", {"priority": said}, Settings()) == Priority(priority_key=key, fairness_key="acme")


async def test_an_execution_and_its_activities_carry_priority_and_tenant(cairn: Cairn, world) -> None:
    workflow = await cairn.publish(sequence(waiting("a"), noting("b")))
    execution = await cairn.start(workflow, metadata={"priority": "high"})
    await until(lambda: world.waiting["a"])
    described = await cairn.client.get_workflow_handle(execution.id).describe()
    wanted = Priority(priority_key=1, fairness_key="acme", fairness_weight=2.5)
    assert described.raw_info.priority == wanted._to_proto()
    (activity,) = described.raw_description.pending_activities
    assert activity.priority == wanted._to_proto()
    world.gate("a").set()
    await cairn.reach(execution.id, "completed")
