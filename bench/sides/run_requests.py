"""Requests to Cairn's API: prints one line of JSON. Its installation is the one that the environment names.

    run_requests.py measure 500 100000      each kind so many times, lists of so many
    run_requests.py start 10                starts for so many seconds, one after the other; prints how many
    run_requests.py bare 10                 bare starts of a workflow, likewise

A start is compared with a bare start of a workflow, in turns. Lists are of 100,000 executions, which are copies of one
that has run: rows of the database, as lists read them. Fifty clients are those of wrk, where that is installed; those
that follow events are tasks of this process, since wrk waits for an answer's end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import clients
import httpx2
import uvloop
from figures import percentile
from graphs import loop
from handwritten import TASK_QUEUE, HandWritten, Work
from sqlalchemy import text
from talk import Job, timed
from temporalio.client import Client

from cairn import orderly
from cairn.contracts.json import JsonObject
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import ExecutionRow
from cairn.settings import Settings
from cairn.temporal.connection import connect
from sides import names

EXECUTIONS = "/api/v1/executions"
PAGE_SIZE = 20
_OWN = {"id": "'row_' || i", "temporal_id": "'row_' || i", "tag": "'row_' || i"}


async def fill(rows: int, id: str) -> None:
    """Copy the row of an execution that has ended so many times."""
    columns = [column.name for column in ExecutionRow.metadata.tables["executions"].columns if column.name != "key"]
    values = [_OWN.get(name, f"executions.{name}") for name in columns]
    database = Database(create_engine(Settings().database))
    async with database.transaction() as session:
        await session.execute(
            text(
                f"INSERT INTO executions ({', '.join(columns)}) "
                f"WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {rows}) "
                f"SELECT {', '.join(values)} FROM executions, numbers WHERE executions.id = '{id}'"
            )
        )
    async with database.transaction() as session:
        await session.execute(text("ANALYZE executions"))
    await database.dispose()


async def one_by_one(count: int, *requests: Callable[[], Awaitable[Any]]) -> list[dict[str, float]]:
    """Return the milliseconds of requests that are made in turns."""
    found: list[list[float]] = [[] for _ in requests]
    for _ in range(count):
        for times, request in zip(found, requests, strict=True):
            times.append(await timed(request()) * 1_000)
    return [{f"p{rank}": round(percentile(times, rank), 2) for rank in (50, 99)} for times in found]


async def together(count: int, request: Callable[[], Awaitable[Any]]) -> dict[str, float]:
    """Return requests a second of fifty clients, and the milliseconds of one."""
    times: list[float] = []

    async def client() -> None:
        for _ in range(count // clients.CLIENTS):
            times.append(await timed(request()) * 1_000)

    seconds = await timed(asyncio.gather(*(client() for _ in range(clients.CLIENTS))))
    ranks = {f"p{rank}": round(percentile(times, rank), 2) for rank in (50, 99)}
    return {**ranks, "per_second": round(len(times) / seconds, 1)}


class Requests:
    """The requests."""

    def __init__(self, api: httpx2.AsyncClient, temporal: Client, graph: str) -> None:
        """Take clients, of the API and of Temporal, and the uuid of a graph of one step."""
        self._api = api
        self._temporal = temporal
        self.graph = graph

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Requests]:
        """Make clients and the graph."""
        temporal = await connect(Settings(), lazy=False)
        async with httpx2.AsyncClient(
            base_url=os.environ["BENCH_URL"],
            headers={"X-API-Key": os.environ["BENCH_KEY"]},
            timeout=120,
            trust_env=False,
            limits=httpx2.Limits(max_connections=clients.CLIENTS),
        ) as api:
            body = {"name": f"bench-{uuid.uuid4()}", "definition": loop(Job(1, 100), "step")}
            made = (await api.post("/api/v1/workflow/create/definition", json=body)).raise_for_status().json()
            yield cls(api, temporal, made["uuid"])

    async def get(self, path: str, **query: int) -> Any:
        """Read something."""
        return (await self._api.get(path, params=query)).raise_for_status().json()

    async def start(self) -> Any:
        """Start an execution."""
        reply = await self._api.post(EXECUTIONS, json={"workflow_id": self.graph, "input_data": {}})
        return reply.raise_for_status().json()

    async def bare(self) -> None:
        """Start a workflow that does nothing."""
        id = f"bench-{uuid.uuid4()}"
        await self._temporal.start_workflow(HandWritten.run, Work(steps=0), id=id, task_queue=TASK_QUEUE)

    async def ended(self, execution: JsonObject) -> None:
        """Wait for the end of an execution."""
        await self._temporal.get_workflow_handle(execution["temporal"]["workflow_id"]).result()

    async def first_event(self, id: str) -> None:
        """Follow an execution until its first event."""
        async with self._api.stream("GET", f"{EXECUTIONS}/{id}/events") as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    return
        raise RuntimeError("no event came")


async def at_once(id: str, last: int, graph: str) -> dict[str, dict[str, float]]:
    """Return what fifty clients are told who all ask the same; starts come last, since they add to the lists."""
    key = {"X-API-Key": os.environ["BENCH_KEY"]}
    url = os.environ["BENCH_URL"] + EXECUTIONS
    many = f"{clients.CLIENTS} clients"
    pages = {f"list, page {page:,}, {many}": f"?page={page}&page_size={PAGE_SIZE}" for page in (1, last)}
    found = {name: await clients.ask(url + path, key) for name, path in {f"GET one, {many}": f"/{id}", **pages}.items()}
    body: JsonObject = {"workflow_id": graph, "input_data": {}}
    return {**found, f"{names.POST}, {many}": await clients.ask(url, key, body)}


async def measure(count: int, rows: int) -> dict[str, Any]:
    """Return milliseconds by kind of request."""
    found: dict[str, Any] = {}
    async with Requests.open() as requests:
        execution = await requests.start()
        id = execution["id"]
        await requests.ended(execution)
        await one_by_one(5, requests.start, requests.bare)
        found[names.POST], found[names.BARE] = await one_by_one(count, requests.start, requests.bare)
        (found["GET one"],) = await one_by_one(count, lambda: requests.get(f"{EXECUTIONS}/{id}"))
        found[f"first event, {clients.CLIENTS} clients"] = await together(count, lambda: requests.first_event(id))
        await fill(rows, id)
        last = rows // PAGE_SIZE
        pages = [lambda page=page: requests.get(EXECUTIONS, page=page, page_size=PAGE_SIZE) for page in (1, last)]
        assert len((await pages[1]())["items"]) == PAGE_SIZE
        found["list, page 1"], found[f"list, page {last:,}"] = await one_by_one(count // 2, *pages)
        if clients.available():
            found |= await at_once(id, last, requests.graph)
    return found


async def repeat(kind: str, seconds: float) -> int:
    """Make one kind of request again and again; return how many there were."""
    count, end = 0, time.monotonic() + seconds
    async with Requests.open() as requests:
        while time.monotonic() < end:
            await (requests.start() if kind == "start" else requests.bare())
            count += 1
    return count


async def main(kind: str, *numbers: str) -> None:
    """Measure and print."""
    given = [int(each) for each in numbers]
    print(json.dumps(await (measure(*given) if kind == "measure" else repeat(kind, *given))))


if __name__ == "__main__":
    orderly.run(lambda: uvloop.run(main(*sys.argv[1:])))
