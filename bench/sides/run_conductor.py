"""Conductor: ``run_conductor.py API SLOTS``, its server's URL and how many steps may run at a time.

The worker is the asynchronous one of its SDK, in this process. The SDK reads annotations as they are, so they are no
strings here.
"""

import asyncio
import contextlib
import logging
import random
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import uvloop
from conductor.client.automator.async_task_runner import AsyncTaskRunner
from conductor.client.configuration.configuration import Configuration
from conductor.client.context.task_context import get_task_context
from conductor.client.worker.worker import Worker
from talk import Job, check, serve, timed
from work import do, done

POLL_MS = 10
"""Longest pause between two requests for steps, each of which waits a tenth of a second at the server, too."""

ROOM = 3_000_000
"""Bytes that a loop's output may have: it is stored with every step, and above 3 MB Conductor wants another store."""

LONG, KEPT = 100, 10
"""From how many iterations on its documentation wants the old ones removed, and how many it keeps then."""

SETTLED = (0.2, 0.4)
"""Seconds for which the worker has asked for steps before a job begins: another time each time, between two polls."""

WARM, ROUNDS = Job(20, 100), 20
"""Its server is a Java one, which is slow until what it runs often has been compiled."""

FIRST_LOOK, LOOKS, ANYWAY = 0.002, 0.1, 30.0
"""Seconds until it is asked whether an execution has ended: after its last step, at first and at most; without one."""


def definition(name: str, job: Job) -> dict[str, Any]:
    """Return the workflow of a job: a loop over a list, which needs no script for its condition."""
    step = {"work": job.work, "size": job.size}
    kept = min(KEPT, ROOM // job.size)
    removes = not job.keep and (job.steps >= LONG or job.steps * job.size > ROOM)
    loop: dict[str, Any] = {
        "name": "loop",
        "taskReferenceName": "loop",
        "type": "DO_WHILE",
        "items": "${workflow.input.items}",
        "loopCondition": "",  # its documentation says that a list needs none, its validation that there is one
        "inputParameters": {"keepLastN": kept} if removes else {},
        "loopOver": [{"name": "step", "taskReferenceName": "step", "type": "SIMPLE", "inputParameters": step}],
    }
    person = {"name": "person", "taskReferenceName": "person", "type": "HUMAN"}
    return {
        "name": name,
        "version": 1,
        "schemaVersion": 2,
        "tasks": [person, loop] if job.work == "wait" else [loop],
        "outputParameters": {"done": "${loop.output.iteration}", "size": f"${{loop.output.{job.steps}.step.size}}"},
        "timeoutPolicy": "ALERT_ONLY",
        "timeoutSeconds": 0,
    }


class Conductor:
    """A caller of the server, and the step that the worker runs."""

    def __init__(self, api: httpx.AsyncClient, slots: int) -> None:
        """Take a client of the API, and how many steps may run at a time."""

        async def step(work: str, size: int) -> dict[str, Any]:  # the SDK copies it, which a method resists
            return await self.step(work, size)

        self.worker = Worker("step", step, poll_interval=POLL_MS, thread_count=slots)
        self._api = api
        self._workflows: dict[Job, str] = {}
        self._steps = self._running = 0
        self._at_last: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def step(self, work: str, size: int) -> dict[str, Any]:
        """Do one step, and note an execution's last one."""
        text = await do(work, size)
        context = get_task_context()
        if context.task.iteration == self._steps:
            self._at_last[context.get_workflow_instance_id()].set()
        return {"text": text, "size": len(text)}

    async def prepare(self, job: Job) -> None:
        """Define the job's workflow, once, and have the worker at work."""
        if not self._workflows:
            await self._post("metadata/taskdefs", [{"name": "step", "timeoutSeconds": 0}])
            await self._define(WARM)
            await asyncio.gather(*(self.execute(WARM) for _ in range(ROUNDS)))
        await self._define(job)
        await asyncio.sleep(random.uniform(*SETTLED))

    async def _define(self, job: Job) -> None:
        self._steps = job.steps
        self.worker.paused = False
        if job not in self._workflows:
            name = f"bench-{len(self._workflows)}"
            (await self._api.put("metadata/workflow", json=[definition(name, job)])).raise_for_status()
            self._workflows[job] = name

    async def execute(self, job: Job) -> None:
        """Run one execution; one that waits for a person only until it does."""
        async with self._working():
            id = await self._start(job)
            if job.work != "wait":
                await self._end(job, id)

    @contextlib.asynccontextmanager
    async def _working(self) -> AsyncGenerator[None]:
        """Have the worker rest after the job's last execution, so that its requests take no other side's time."""
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self.worker.paused = not self._running

    async def travel(self, job: Job) -> dict[str, float]:
        """Rerun an execution from its last step on."""
        async with self._working():
            id = await self._start(job)
            await self._end(job, id)
            tasks = (await self._get(f"workflow/{id}"))["tasks"]
            (last,) = (each["taskId"] for each in tasks if each["referenceTaskName"] == f"step__{job.steps}")

            async def rerun() -> None:
                await self._post(f"workflow/{id}/rerun", {"reRunFromWorkflowId": id, "reRunFromTaskId": last})
                await self._end(job, id)

            return {"rerun": await timed(rerun())}

    async def _start(self, job: Job) -> str:
        body = {"name": self._workflows[job], "version": 1, "input": {"items": [*range(job.steps)]}}
        return (await self._post("workflow", body)).text

    async def _end(self, job: Job, id: str) -> None:
        """Wait for an execution's last step, then ask until it has ended: the server itself looks each 0.1 s only."""
        pause = FIRST_LOOK
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._at_last[id].wait(), ANYWAY)
            found = await self._get(f"workflow/{id}/status?includeOutput=true")
            if found["status"] != "RUNNING":
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, LOOKS)
        del self._at_last[id]
        if found["status"] != "COMPLETED":
            raise RuntimeError(f"an execution is {found['status']}")
        size = await self._size(id) if job.keep else found["output"]["size"]
        check(job, found["output"]["done"], size)

    async def _size(self, id: str) -> int:
        """Return the size of all texts together; the list of them is the loop's output."""
        tasks = (await self._get(f"workflow/{id}"))["tasks"]
        (output,) = (each["outputData"] for each in tasks if each["referenceTaskName"] == "loop")
        return sum(len(each["step"]["text"]) for key, each in output.items() if key.isdecimal())

    async def _get(self, path: str) -> Any:
        return (await self._api.get(path)).raise_for_status().json()

    async def _post(self, path: str, body: Any) -> httpx.Response:
        return (await self._api.post(path, json=body)).raise_for_status()


async def main(url: str, slots: str) -> None:
    """Serve Conductor and the driver."""
    async with httpx.AsyncClient(base_url=url, timeout=900, trust_env=False) as api:
        conductor = Conductor(api, int(slots))
        configuration = Configuration(server_api_url=url, log_level=logging.ERROR)
        working = asyncio.create_task(AsyncTaskRunner(conductor.worker, configuration).run())
        await serve(conductor.execute, conductor.prepare, conductor.travel, done=done)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
