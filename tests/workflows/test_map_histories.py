"""Histories of maps: workflow code has to replay each of them (see ``test_histories``)."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails

from workflows.map_execution import shares
from workflows.registry import WORKFLOWS

STORED = sorted((Path(__file__).parent.parent / "histories").glob("*/maps/*.json"))


def history(file: Path) -> WorkflowHistory:
    """Read one; the ids of chunks and items follow from the id that the map had."""
    text = file.read_text()
    started = WorkflowHistory.from_json("", text).events[0].workflow_execution_started_event_attributes
    return WorkflowHistory.from_json(started.workflow_id, text)


def test_there_are_some() -> None:
    assert {"chunks", "paused", "reset_items"} <= {file.stem for file in STORED}


@pytest.mark.parametrize("file", STORED, ids=lambda file: file.stem)
async def test_it_replays(file: Path) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    await replayer.replay_workflow(history(file))


class Collecting(UnsandboxedWorkflowRunner):
    """Collects garbage after each step: an error that nobody has looked at is told when its task goes."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = super().create_instance(det)
        take = instance.activate

        def activate(act: Any) -> Any:
            done = take(act)
            gc.collect()
            return done

        vars(instance)["activate"] = activate
        return instance


@pytest.mark.parametrize("file", STORED, ids=lambda file: file.stem)
async def test_how_each_child_ended_is_looked_at(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    runner = Collecting()
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=runner)
    gc.freeze()  # what other tests have left behind takes seconds to look through
    try:
        await replayer.replay_workflow(history(file))
    finally:
        gc.unfreeze()
    assert [each.getMessage() for each in caplog.records if "never retrieved" in each.getMessage()] == []


@pytest.mark.parametrize(
    ("concurrency", "chunk", "number", "expected"),
    [
        (10, 100, 10_000, [5, 5]),
        (5, 7, 50, [3, 2]),
        (1, 100, 10_000, [1]),
        (500, 100, 10_000, [100] * 5),
        (1000, 100, 150, [500, 500]),
    ],
)
def test_concurrency_is_divided_among_chunks(concurrency: int, chunk: int, number: int, expected: list[int]) -> None:
    assert shares(concurrency, chunk, number) == expected
