"""The other side of the comparison: a workflow written by hand, with the same activities as a Cairn graph.

Run as a program it is its worker, which serves until SIGTERM; settings come from the environment as in ``worker.py``.
"""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.guard import HEARTBEAT_INTERVAL
from activities.tools import ToolActivities
from cairn import orderly
from cairn.contracts.nodes import RUN_TOOL, NodeCall, NodeResult
from cairn.domain.tools import load_tools
from cairn.settings import get_settings
from cairn.temporal.connection import connect

TASK_QUEUE = "bench-handwritten"
TIMEOUT = timedelta(seconds=300)
HEARTBEAT = timedelta(seconds=15)


class Work(BaseModel):
    """How many steps to do."""

    steps: int


@workflow.defn
class HandWritten:
    """Calls the tool ``echo`` once a step, as an experienced Temporal user would write it."""

    @workflow.run
    async def run(self, work: Work) -> int:
        """Do the steps one after the other; return how many were done."""
        info = workflow.info()
        for step in range(work.steps):
            call = NodeCall(
                execution_id=info.workflow_id,
                temporal_id=info.workflow_id,
                tenant="bench",
                run_id=info.run_id,
                lineage=info.run_id,
                node_id=f"n{step}",
                visit=1,
                data={"tool": "echo", "arguments": {"value": 1}},
                timeout=TIMEOUT.total_seconds(),
            )
            await workflow.execute_activity(
                RUN_TOOL.name,
                call,
                result_type=NodeResult,
                start_to_close_timeout=TIMEOUT,
                heartbeat_timeout=HEARTBEAT,
                retry_policy=RetryPolicy(maximum_attempts=3),
                summary=f"Step {step}",
            )
        return work.steps


async def serve() -> None:
    """Serve with the options of Cairn's own worker."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    settings = get_settings()
    async with Worker(
        await connect(settings, lazy=False),
        task_queue=TASK_QUEUE,
        workflows=[HandWritten],
        activities=[ToolActivities(load_tools(settings)).run_tool],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_heartbeat_throttle_interval=HEARTBEAT_INTERVAL,
    ):
        await stop.wait()


def main() -> int:
    """Run the worker; return the exit status."""
    orderly.die_with_parent()
    asyncio.run(serve())
    return 0


if __name__ == "__main__":
    orderly.run(main)
