"""Cairn: ``run_cairn.py step|segment|code``. Executions start over the API; their ends are awaited at Temporal."""

from __future__ import annotations

import os
import sys
from typing import Any, cast

import httpx2
import uvloop
from graphs import Mode, graph
from talk import Job, check, serve, timed
from temporalio.client import Client
from work import produce

from cairn import orderly
from cairn.settings import Settings
from cairn.temporal.connection import connect
from workflows.graph_execution import GraphExecution

URL, KEY = "BENCH_URL", "BENCH_KEY"
EXECUTIONS = "/api/v1/executions"


class Cairn:
    """A caller of the API."""

    def __init__(self, mode: Mode, api: httpx2.AsyncClient, client: Client) -> None:
        """Take the mode of the graphs, and clients of API and Temporal."""
        self.mode: Mode = mode
        self._api = api
        self._client = client
        self._graphs: dict[Job, str] = {}

    async def publish(self, job: Job) -> None:
        """Publish the job's graph, once."""
        if job in self._graphs:
            return
        body = {"name": f"bench-{self.mode}-{len(self._graphs)}", "definition": graph(job, self.mode)}
        made = await self._post("/api/v1/workflow/create/definition", body)
        if made["version_status"] != "published":
            raise RuntimeError(f"the graph is not valid: {made}")
        self._graphs[job] = made["uuid"]

    async def execute(self, job: Job) -> None:
        """Run one execution; one that waits for a person only until it does."""
        started = await self._start(job)
        if job.work != "wait":
            await self._end(job, started["temporal"]["workflow_id"])

    async def travel(self, job: Job) -> dict[str, float]:
        """Go back to before an execution's last step in each way; return the seconds until it has ended again."""
        execution = await self._start(job)
        await self._end(job, execution["temporal"]["workflow_id"])
        id, workflow_id = execution["id"], execution["temporal"]["workflow_id"]
        checkpoints = (await self._api.get(f"{EXECUTIONS}/{id}")).raise_for_status().json()["checkpoints"]
        target = {"checkpoint_id": checkpoints[-2]["id"]}

        async def fork() -> None:
            made = await self._post(f"{EXECUTIONS}/{id}/fork", target)
            await self._end(job, made["temporal"]["workflow_id"])

        async def replay() -> None:
            await self._post(f"{EXECUTIONS}/{id}/replay", target)
            await self._end(job, workflow_id)

        async def rollback() -> None:
            await self._post(f"{EXECUTIONS}/{id}/rollback", target)

        return {"fork": await timed(fork()), "replay": await timed(replay()), "roll back": await timed(rollback())}

    async def _start(self, job: Job) -> dict[str, Any]:
        text = {"text": produce(job.size)} if self.mode == "code" else {}
        return await self._post(EXECUTIONS, {"workflow_id": self._graphs[job], "input_data": text})

    async def _end(self, job: Job, workflow_id: str) -> None:
        handle = self._client.get_workflow_handle_for(GraphExecution.run, workflow_id)
        output = cast("dict[str, int]", (await handle.result()).output)
        check(job, output["done"], output["size"])

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return (await self._api.post(path, json=body)).raise_for_status().json()


async def main(mode: Mode) -> None:
    """Serve the driver."""
    async with httpx2.AsyncClient(
        base_url=os.environ[URL],
        headers={"X-API-Key": os.environ[KEY]},
        timeout=600,
        trust_env=False,
        # The API closes what is idle for five seconds; nothing is to be sent there at that very moment.
        limits=httpx2.Limits(max_connections=50, keepalive_expiry=2),
    ) as api:
        cairn = Cairn(mode, api, await connect(Settings(), lazy=False))
        await serve(cairn.execute, cairn.publish, cairn.travel if mode == "step" else None)


if __name__ == "__main__":
    orderly.run(lambda: uvloop.run(main(cast("Mode", sys.argv[1]))))
