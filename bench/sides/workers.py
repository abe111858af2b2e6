"""Workers: which processes they are, and more of them for a while."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import handwritten
import psutil
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from cairn import orderly
from cairn.settings import Settings
from cairn.supervisor import command_of_cairn
from sides import cpu, names
from sides.servers import HERE, HOST, START, end, start

_QUEUES = {names.CAIRNS_WORKER: Settings.model_fields["task_queue"].default, names.HANDS_WORKER: handwritten.TASK_QUEUE}
_COMMANDS = {
    names.CAIRNS_WORKER: command_of_cairn("worker"),
    names.HANDS_WORKER: [sys.executable, str(HERE.parent / "handwritten.py")],
}
_TYPES = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)


def temporal(environment: Mapping[str, str]) -> str:
    """Return the address of the Temporal that an installation stands on."""
    return environment.get("TEMPORAL_ADDRESS") or f"{HOST}:{environment['CAIRN_TEMPORAL_PORT']}"


def first(name: str, environment: Mapping[str, str], folder: Path) -> psutil.Process:
    """Return the process of an installation's worker."""
    found = (process for each, process in cpu.programs(folder) if each == name)
    return next(each for each in found if each.environ().get("CAIRN_HOME") == environment["CAIRN_HOME"])


@asynccontextmanager
async def more(number: int, environment: Mapping[str, str], folder: Path) -> AsyncGenerator[None]:
    """Have so many more workers of each kind for as long as the block lasts; all of them poll when it begins."""
    client = await Client.connect(temporal(environment))
    async with AsyncExitStack() as stack:
        for _ in range(number):
            for name, command in _COMMANDS.items():
                told = {**os.environ, **environment, orderly.PARENT_VARIABLE: str(os.getpid())}
                process = start(command, told, folder / f"more-{name.replace(' ', '-')}.log")
                stack.push_async_callback(asyncio.to_thread, end, process)
                await _polls(client, _QUEUES[name], process.pid)
        yield


async def _polls(client: Client, queue: str, pid: int) -> None:
    """Wait until the server knows a worker by its process id, with which its identity begins."""
    deadline = time.monotonic() + START
    for kind in _TYPES:
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
        )
        while True:
            found = await client.workflow_service.describe_task_queue(request)
            if any(poller.identity.startswith(f"{pid}@") for poller in found.pollers):
                break
            if time.monotonic() > deadline:
                raise RuntimeError(f"a second worker does not poll the task queue {queue}")
            await asyncio.sleep(0.2)
