"""The other side of the comparison: a workflow written by hand, with the same activities as a Cairn graph.

Run as a program it is its worker, which serves until SIGTERM; settings come from the environment as in ``worker.py``.
"""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta

import uvloop
from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.guard import HEARTBEAT_INTERVAL
from activities.tools import ToolActivities
from cairn import orderly
from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import RUN_TOOL, NodeCall, NodeResult
from cairn.domain.tools import load_tools
from cairn.settings import get_settings
from cairn.temporal.connection import connect

TASK_QUEUE = "bench-handwritten"
TIMEOUT = timedelta(seconds=300)
HEARTBEAT = timedelta(seconds=15)


SLOTS = "BENCH_WORKER_ACTIVITIES"
"""Environment variable: how many activities the worker runs at a time; unset: the SDK's own number."""


class Work(BaseModel):
    """What to do.

    Attributes:
        steps: how many.
        tool: that each step calls.
        arguments: of the tool.
        keep: keep what every step brought, as a chat does; else the last.
        wait: wait for a person before the first step.
    """

    steps: int
    tool: str = "echo"
    arguments: JsonObject = {"value": 1}
    keep: bool = False
    wait: bool = False


class Done(BaseModel):
    """What was done.

    Attributes:
        steps: how many.
        size: characters of the texts that are kept.
    """

    steps: int
    size: int


@workflow.defn
class HandWritten:
    """Calls a tool once a step, as an experienced Temporal user would write it."""

    def __init__(self) -> None:
        """Nobody has answered."""
        self._answered = False

    @workflow.signal
    def answer(self) -> None:
        """Let it go on."""
        self._answered = True

    @workflow.run
    async def run(self, work: Work) -> Done:
        """Do the steps one after the other."""
        info = workflow.info()
        kept: list[str] = []
        if work.wait:
            await workflow.wait_condition(lambda: self._answered)
        for step in range(work.steps):
            call = NodeCall(
                execution_id=info.workflow_id,
                temporal_id=info.workflow_id,
                tenant="bench",
                run_id=info.run_id,
                lineage=info.run_id,
                node_id=f"n{step}",
                visit=1,
                data={"tool": work.tool, "arguments": work.arguments},
                timeout=TIMEOUT.total_seconds(),
            )
            result = await workflow.execute_activity(
                RUN_TOOL.name,
                call,
                result_type=NodeResult,
                start_to_close_timeout=TIMEOUT,
                heartbeat_timeout=HEARTBEAT,
                retry_policy=RetryPolicy(maximum_attempts=3),
                summary=f"Step {step}",
            )
            kept = [*(kept if work.keep else ()), str(result.value)]
        return Done(steps=work.steps, size=sum(map(len, kept)))


async def serve() -> None:
    """Serve with the options, and on the event loop, of Cairn's own worker."""
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
        max_concurrent_activities=int(os.environ[SLOTS]) if SLOTS in os.environ else None,
        max_heartbeat_throttle_interval=HEARTBEAT_INTERVAL,
    ):
        await stop.wait()


def main() -> int:
    """Run the worker; return the exit status."""
    orderly.die_with_parent()
    uvloop.run(serve())
    return 0


if __name__ == "__main__":
    orderly.run(main)
