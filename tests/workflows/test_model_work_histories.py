"""Histories of work that a request waits for (``WriteGraph``, ``DirectCall``, dry runs): workflow code replays all.

``pytest tests/api/test_templates.py tests/api/test_llm.py tests/api/test_tool_trials.py --record-histories -m history``
writes them to the folder ``next``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from workflows.registry import WORKFLOWS

HISTORIES = Path(__file__).parent.parent / "histories"
KINDS = {
    "writings": {"repaired", "failed"},
    "direct_calls": {"answered", "failed"},
    "tool_trials": {"tried", "described"},
}
"""What there is to be at least, by folder."""
STORED = [file for kind in KINDS for file in sorted(HISTORIES.glob(f"*/{kind}/*.json"))]


def history(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(file.parent.name, file.read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_some(kind: str) -> None:
    assert {file.stem for file in STORED if file.parent.name == kind} >= KINDS[kind]


@pytest.mark.parametrize("file", STORED, ids=lambda file: f"{file.parent.name}/{file.stem}")
async def test_it_replays(file: Path) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=UnsandboxedWorkflowRunner()
    )
    await replayer.replay_workflow(history(file))
