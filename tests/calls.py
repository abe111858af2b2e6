"""Run a node's activity as a worker would, without one."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from cairn.contracts.nodes import NodeCall, NodeResult

RUN_ID = "run-1"


def node_call(*, timeout: float | None = None, run_id: str = RUN_ID, **data: Any) -> NodeCall:
    return NodeCall(
        execution_id="e1",
        temporal_id="t.e1",
        tenant="t",
        run_id=run_id,
        lineage="l1",
        node_id="n1",
        visit=1,
        data=data,
        timeout=timeout,
    )


def environment(*, attempt: int = 1) -> ActivityEnvironment:
    made = ActivityEnvironment()
    made.info = dataclasses.replace(made.info, workflow_run_id=RUN_ID, attempt=attempt)
    return made


async def run(activity: Callable[[NodeCall], Awaitable[NodeResult]], call: NodeCall, *, attempt: int = 1) -> NodeResult:
    return await environment(attempt=attempt).run(activity, call)


async def fail(
    activity: Callable[[NodeCall], Awaitable[NodeResult]], call: NodeCall, *, attempt: int = 1
) -> ApplicationError:
    """Run the activity and return the error that it must raise, in the form that workflows read."""
    with pytest.raises(ApplicationError) as caught:
        await run(activity, call, attempt=attempt)
    error = caught.value
    assert error.details[0]["code"] == error.type
    assert error.details[0]["attempt"] == attempt
    return error
