"""Histories of the operation ``ResetExecution`` as it was released: operations that are under way outlive a deploy."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from workflows.registry import WORKFLOWS

FILES = sorted((Path(__file__).parent.parent / "histories").glob("*/operations/*.json"))


def history(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json("operation", file.read_text())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_it_replays(file: Path) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=UnsandboxedWorkflowRunner()
    )
    await replayer.replay_workflow(history(file))


def test_there_are_some() -> None:
    assert {file.stem for file in FILES} >= {"replay", "rollback", "rollback_undo"}
