"""Histories of a schedule's firings (``ScheduledStart``): workflow code has to replay each of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from workflows.registry import WORKFLOWS

STORED = sorted((Path(__file__).parent.parent / "histories").glob("*/schedules/*.json"))


def history(file: Path) -> WorkflowHistory:
    """Read one; the firing's own id does not matter to its workflow, but what it started is named after it."""
    text = file.read_text()
    started = WorkflowHistory.from_json("", text).events[0].workflow_execution_started_event_attributes
    return WorkflowHistory.from_json(started.workflow_id, text)


def test_there_are_some() -> None:
    known = {"completed", "failed", "cancelled", "reset", "started_before", "started_before_cancelled"}
    assert known <= {file.stem for file in STORED}


@pytest.mark.parametrize("file", STORED, ids=lambda file: file.stem)
async def test_it_replays(file: Path) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=UnsandboxedWorkflowRunner()
    )
    await replayer.replay_workflow(history(file))
