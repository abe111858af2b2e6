"""Histories of direct calls of models (``DirectCall``): workflow code has to replay each of them.

``pytest tests/api/test_llm.py --record-histories -m history`` writes them to the folder ``next``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from workflows.registry import WORKFLOWS

STORED = sorted((Path(__file__).parent.parent / "histories").glob("*/direct_calls/*.json"))


def history(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json("direct-call", file.read_text())


def test_there_are_some() -> None:
    assert {file.stem for file in STORED} >= {"answered", "failed"}


@pytest.mark.parametrize("file", STORED, ids=lambda file: file.stem)
async def test_it_replays(file: Path) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=UnsandboxedWorkflowRunner()
    )
    await replayer.replay_workflow(history(file))
