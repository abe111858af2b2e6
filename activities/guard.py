"""What every activity that does a node's work begins with: the run-id fence and heartbeats."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from cairn.contracts.nodes import PARKED, NodeCall

HEARTBEAT_INTERVAL = timedelta(seconds=5)
"""How often a working activity says that it lives, and so how late it hears of a cancellation or a reset."""

PROMPT = timedelta(seconds=1)
"""The same of what a person waits for and may stop.

The worker's ``max_heartbeat_throttle_interval`` must not be longer, or the SDK holds heartbeats back.
"""


progress: ContextVar[Sequence[object]] = ContextVar("progress", default=())
"""What heartbeats carry: how far an activity that goes on where it was has come."""


def guard(call: NodeCall) -> None:
    """Refuse a call that belongs to another run than the one that dispatched it.

    When an execution is reset, the server dispatches again what was in flight at that point, though the execution is
    paused: the workflow schedules such a call anew after its resume, with the new run's id.

    Raises:
        ApplicationError: of type ``parked``, not retryable.
    """
    run_id = activity.info().workflow_run_id
    if run_id != call.run_id:
        raise ApplicationError(
            f"The execution was reset: this call of node {call.node_id!r} waits for its resume",
            {"code": PARKED, "attempt": activity.info().attempt, "cause": None},
            type=PARKED,
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        )


@asynccontextmanager
async def heartbeating(interval: timedelta = HEARTBEAT_INTERVAL) -> AsyncGenerator[None]:
    """Heartbeat in the background while the block works.

    A cancellation of the activity, or a reset of its execution, cancels the block at the next heartbeat.
    """
    task = asyncio.create_task(_heartbeat(interval))
    try:
        yield
    finally:
        task.cancel()


async def _heartbeat(interval: timedelta) -> None:
    while True:
        await asyncio.sleep(interval.total_seconds())
        activity.heartbeat(*progress.get())
