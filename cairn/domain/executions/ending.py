"""Waiting for the end of an execution within a request."""

from __future__ import annotations

import contextlib

from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError

from cairn.domain.executions.service import ExecutionService


async def until_ended(executions: ExecutionService, temporal_id: str) -> None:
    """Wait for the end of a started execution, whatever it is, or of Temporal's answering."""
    handle = executions.temporal.client.get_workflow_handle(temporal_id)
    # The last is what the SDK raises when its lazy connection does not come about.
    with contextlib.suppress(WorkflowFailureError, RPCError, RuntimeError):
        await handle.result()
