"""What the workflow code itself costs at each step, found by replaying a history: other load hardly touches it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner


class _Stopwatch(ThreadPoolExecutor):
    """Runs workflow tasks on one thread and notes the CPU seconds of each."""

    def __init__(self) -> None:
        super().__init__(1)
        self.seconds: list[float] = []

    def submit(self, task: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def timed() -> Any:
            began = time.thread_time()
            try:
                return task(*args, **kwargs)
            finally:
                self.seconds.append(time.thread_time() - began)

        return super().submit(timed)


async def task_costs(history: WorkflowHistory, workflows: Sequence[type], converter: DataConverter) -> list[float]:
    """Return the CPU milliseconds of each workflow task of a history, in order."""
    with _Stopwatch() as stopwatch:
        replayer = Replayer(
            workflows=workflows,
            data_converter=converter,
            workflow_runner=UnsandboxedWorkflowRunner(),
            workflow_task_executor=stopwatch,
        )
        await replayer.replay_workflow(history)
    return [seconds * 1_000 for seconds in stopwatch.seconds]
