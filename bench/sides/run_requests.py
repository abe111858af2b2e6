"""Requests to Cairn's API: prints one line of JSON. Its installation is the one that the environment names.

    run_requests.py measure 500 100000      each kind so many times, lists of so many
    run_requests.py start 10                starts for so many seconds, one after the other; prints how many
    run_requests.py bare 10                 bare starts of a workflow, likewise

A start is compared with a bare start of a workflow that does the same, in turns; each has ended before the next. Lists
are of 100,000 executions, which are copies of one that has run: rows of the database, as lists read them. Fifty clients
are those of wrk, where that is installed; those that follow events are tasks of this process, since wrk waits for an
answer's end; each follows an execution of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import clients
import httpx2
import uvloop
from figures import percentile
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
from sides.graphs import loop, waiting

EXECUTIONS = "/api/v1/executions"
PAGE_SIZE = 20
ROUNDS = 3
APART = 1.0
"""Seconds between rounds."""

_MANY = f"{clients.CLIENTS} clients"
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


def of_rounds(rounds: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return the percentiles of the milliseconds of all rounds together, and the median of each of them."""
    every = [each for times in rounds for each in times]
    ranks = {f"p{rank}": round(percentile(every, rank), 2) for rank in (50, 99)}
    return {**ranks, "rounds": [round(percentile(times, 50), 2) for times in rounds]}


async def one_by_one(
    count: int,
    requests: Mapping[str, Callable[[], Awaitable[Any]]],
    rest: Callable[[Any], Awaitable[Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the milliseconds of requests that are made in turns, so many of each over all rounds.

    Args:
        count: how many of each.
        requests: by name.
        rest: waited for before the next request, with what the one before has answered: what that has begun shares no
            core with the next.
    """
    found: dict[str, list[list[float]]] = {name: [] for name in requests}
    for _ in range(ROUNDS):
        for rounds in found.values():
            rounds.append([])
        for _, (name, request) in itertools.product(range(count // ROUNDS), requests.items()):
            began = time.perf_counter()
            answer = await request()
            found[name][-1].append((time.perf_counter() - began) * 1_000)
            if rest is not None:
                await rest(answer)
        await asyncio.sleep(APART)
    return {name: of_rounds(rounds) for name, rounds in found.items()}


async def first_events(count: int, requests: Requests) -> dict[str, Any]:
    """Return what fifty clients are told who follow an execution each that was just started and goes on."""
    rounds: list[list[float]] = []
    took = 0.0
    for _ in range(count // clients.CLIENTS):
        started = await asyncio.gather(*(requests.wait_for_a_person() for _ in range(clients.CLIENTS)))
        times: list[float] = []

        async def follow(id: str, times: list[float] = times) -> None:
            times.append(await timed(requests.first_event(id)) * 1_000)

        took += await timed(asyncio.gather(*(follow(each["id"]) for each in started)))
        rounds.append(times)
    return {**of_rounds(rounds), "per_second": round(sum(map(len, rounds)) / took, 1)}


class Requests:
    """The requests."""

    def __init__(self, api: httpx2.AsyncClient, temporal: Client, graph: str, waiting: str) -> None:
        """Take clients, of the API and of Temporal, and the uuids of a graph of one step and of one that waits."""
        self._api = api
        self._temporal = temporal
        self.graph = graph
        self._waiting = waiting

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
            made: list[str] = []
            for definition in (loop(Job(1, 100), "step"), waiting()):
                body = {"name": f"bench-{uuid.uuid4()}", "definition": definition}
                reply = await api.post("/api/v1/workflow/create/definition", json=body)
                made.append(reply.raise_for_status().json()["uuid"])
            yield cls(api, temporal, *made)

    async def get(self, path: str, **query: int) -> Any:
        """Read something."""
        return (await self._api.get(path, params=query)).raise_for_status().json()

    async def execution(self) -> Any:
        """Start an execution."""
        return await self._start(self.graph)

    async def start(self) -> str:
        """Start an execution; return the id of its workflow."""
        return (await self.execution())["temporal"]["workflow_id"]

    async def wait_for_a_person(self) -> Any:
        """Start an execution that goes on until somebody answers."""
        return await self._start(self._waiting)

    async def _start(self, graph: str) -> Any:
        reply = await self._api.post(EXECUTIONS, json={"workflow_id": graph, "input_data": {}})
        return reply.raise_for_status().json()

    async def bare(self) -> str:
        """Start the workflow by hand that does what the graph does; return its id."""
        id = f"bench-{uuid.uuid4()}"
        await self._temporal.start_workflow(HandWritten.run, Work(steps=1), id=id, task_queue=TASK_QUEUE)
        return id

    async def ended(self, *ids: str) -> None:
        """Wait for the end of workflows."""
        await asyncio.gather(*(self._temporal.get_workflow_handle(id).result() for id in ids))

    async def first_event(self, id: str) -> None:
        """Follow an execution until its first event."""
        async with self._api.stream("GET", f"{EXECUTIONS}/{id}/events") as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    return
        raise RuntimeError("no event came")


async def at_once(asked: Mapping[str, str], body: JsonObject | None = None) -> dict[str, dict[str, float]]:
    """Return what fifty clients are told who all ask the same, by what it is called; none without wrk.

    Args:
        asked: paths below the executions, by what each is called.
        body: of a POST.
    """
    if not clients.available():
        return {}
    key, url = {"X-API-Key": os.environ["BENCH_KEY"]}, os.environ["BENCH_URL"] + EXECUTIONS
    return {f"{name}, {_MANY}": await clients.ask(url + path, key, body) for name, path in asked.items()}


async def measure(count: int, rows: int) -> dict[str, Any]:
    """Return milliseconds by kind of request."""
    found: dict[str, Any] = {}
    async with Requests.open() as requests:
        execution = await requests.execution()
        id = execution["id"]
        await requests.ended(execution["temporal"]["workflow_id"])
        starts = {names.POST: requests.start, names.BARE: requests.bare}
        await requests.ended(*await asyncio.gather(*(request() for request in starts.values() for _ in range(5))))
        found |= await one_by_one(count, starts, requests.ended)
        found |= await one_by_one(count, {"GET one": lambda: requests.get(f"{EXECUTIONS}/{id}")})
        await fill(rows, id)
        pages = {f"list, page {page:,}": page for page in (1, rows // PAGE_SIZE)}
        lists = {
            name: lambda page=page: requests.get(EXECUTIONS, page=page, page_size=PAGE_SIZE)
            for name, page in pages.items()
        }
        for request in lists.values():
            assert len((await request())["items"]) == PAGE_SIZE
        found |= await one_by_one(count // 2, lists)
        paths = {name: f"?page={page}&page_size={PAGE_SIZE}" for name, page in pages.items()}
        found |= await at_once({"GET one": f"/{id}", **paths})
        # Starts come last, since they add to the lists.
        found[f"first event, {_MANY}"] = await first_events(count, requests)
        found |= await at_once({names.POST: ""}, {"workflow_id": requests.graph, "input_data": {}})
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
