"""What a tenant waits for because of another one: ``python bench/fairness.py``. Prints JSON at the end of each part.

One installation with one worker. Tenant B runs single executions, one after the other: first alone, then while tenant A
has a backlog of executions, all of which it started before. What A's backlog costs B is the ratio of the two.

Two kinds of steps, beside the same backlog: *thinking* ones wait as a call of a model does, so that the processor is
not the narrow place; *empty* ones do nothing, so that it is. API, databases, Temporal, the worker and this program
share one machine. What others do on it costs a busy worker far more than an idle one: a ratio needs a machine at rest.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import thinking
from figures import percentile
from sqlalchemy import select
from sqlmodel import col
from temporalio.api.enums.v1 import EventType, TaskQueueKind
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from cairn import orderly
from cairn.cli.demo.installation import Installation
from cairn.contracts.executions import execution_tag
from cairn.contracts.json import JsonObject
from cairn.domain.executions.start import execution_input
from cairn.errors import Unavailable
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import ExecutionRow
from cairn.settings import Settings
from cairn.supervisor import Program, Supervisor, command_of_cairn
from cairn.temporal.connection import connect
from cairn.temporal.executions import ExecutionClient

AT_ONCE = 16
TRIES = 120
BATCH = 500
REST = 3.0
KINDS = {"thinking": 0.3, "empty": 0.0}
"""Seconds that a step waits, by the kind of steps."""

OPEN = {"status": "running", "page_size": 1}


def graph(steps: int) -> JsonObject:
    """Return a graph of tool nodes one after the other."""
    ids = ["start", *(f"n{number}" for number in range(steps)), "end"]
    tool: JsonObject = {"tool": "think", "arguments": {}}
    nodes: list[JsonObject] = [
        {
            "id": id,
            "type": id if id in ("start", "end") else "tool",
            "position": {"x": 0, "y": 0},
            "data": {"name": id, **({} if id in ("start", "end") else tool)},
        }
        for id in ids
    ]
    edges = [
        {"id": f"e{number}", "source": source, "target": target, "data": {"label": "next"}}
        for number, (source, target) in enumerate(itertools.pairwise(ids))
    ]
    return {"nodes": nodes, "edges": edges}


class Site:
    """An installation whose worker can be away while a backlog is made."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        """Choose its ports."""
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(Path(__file__).parent))))
        tools = {"PYTHONPATH": path, "CAIRN_TOOL_MODULES": '["thinking"]'}
        self.installation = Installation(folder, {**tools, **settings})
        self.log = (folder / "log").open("w")

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its programs."""
        return self.installation.environment

    def program(self, name: str, **more: str) -> Program:
        """Return one of its programs."""
        return Program(name, command_of_cairn(name), {**self.environment, **more})

    def write(self, name: str, line: str) -> None:
        """Log a line of a program."""
        print(name, line, file=self.log, flush=True)

    @asynccontextmanager
    async def running(self, program: Program) -> AsyncGenerator[None]:
        """Run a program."""
        supervisor = Supervisor(self.write)
        supervisor.keep(program)
        try:
            yield
        finally:
            await supervisor.stop()

    def working(self, seconds: float) -> AbstractAsyncContextManager[None]:
        """Run the worker, whose steps wait for so long."""
        return self.running(self.program("worker", **{thinking.VARIABLE: str(seconds)}))

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        """Run Temporal and the API."""
        async with self.running(self.program("temporal")):
            await self._until(self._is_set_up)
            async with self.running(self.program("api")), httpx2.AsyncClient(trust_env=False) as probe:
                await self._until(lambda: self._answers(probe))
                yield

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(TRIES):
            if await condition():
                return
            await asyncio.sleep(0.5)
        raise Unavailable(
            f"It does not come up; its log ends so:\n{(self.installation.home / 'log').read_text()[-2_000:]}"
        )

    async def _is_set_up(self) -> bool:
        return await Supervisor(self.write).run_once(self.program("setup")) == 0

    async def _answers(self, probe: httpx2.AsyncClient) -> bool:
        try:
            return (await probe.get(f"{self.installation.url}/health")).is_success
        except httpx2.HTTPError:
            return False


@dataclass(frozen=True)
class Single:
    """One execution of B.

    Attributes:
        id: of the execution.
        began: Unix time of the request.
        seconds: from the request to the last event.
    """

    id: str
    began: float
    seconds: float


class Tenant:
    """A caller with a graph."""

    def __init__(self, api: httpx2.AsyncClient, workflow: str) -> None:
        """Take its connection and the graph's id."""
        self.api = api
        self.workflow = workflow

    @classmethod
    async def make(cls, installation: Installation, name: str, definition: JsonObject) -> Tenant:
        """Make a tenant with a key and a published graph."""
        command = [sys.executable, "-m", "cairn", "keys", "create", "--tenant", name, "--json"]
        made = await asyncio.to_thread(
            subprocess.run, command, env=installation.environment, capture_output=True, text=True, check=True
        )
        headers = {"X-API-Key": json.loads(made.stdout)["key"]}
        api = httpx2.AsyncClient(base_url=installation.url, headers=headers, timeout=120, trust_env=False)
        body = {"name": "fairness", "definition": definition}
        reply = (await api.post("/api/v1/workflow/create/definition", json=body)).raise_for_status().json()
        return cls(api, reply["uuid"])

    async def start(self) -> str:
        """Start an execution and return its id."""
        reply = await self.api.post("/api/v1/executions", json={"workflow_id": self.workflow})
        return reply.raise_for_status().json()["id"]

    async def open(self) -> int:
        """Return how many executions have not ended."""
        return (await self.api.get("/api/v1/executions", params=OPEN)).raise_for_status().json()["total"]

    async def one(self) -> Single:
        """Run an execution to its end."""
        clock, began = time.perf_counter(), time.time()
        id = await self.start()
        async with self.api.stream("GET", f"/api/v1/executions/{id}/events") as events:
            async for _ in events.aiter_lines():
                pass
        return Single(id, began, time.perf_counter() - clock)


async def flood(site: Site, tenant: Tenant, count: int) -> None:
    """Start so many executions of a tenant as the API would, without the pains of HTTP.

    The first one is started by the API; the others are copies of its row, and each is started in Temporal.
    """
    settings = Settings(home=site.installation.home, temporal_port=int(site.environment["CAIRN_TEMPORAL_PORT"]))
    temporal = ExecutionClient(await connect(settings, lazy=False), settings)
    database = Database(create_engine(settings.database))
    first = await tenant.start()
    async with database.session() as session:
        row = (await session.execute(select(ExecutionRow).where(col(ExecutionRow.id) == first))).scalar_one()
        start, name = await execution_input(session, row)
        values = row.model_dump(exclude={"key"}) | {"status": "running", "started": True}
    for begin in range(1, count, BATCH):
        ids = [f"exec_{uuid.uuid4().hex}" for _ in range(begin, min(begin + BATCH, count))]
        left, runs = iter(ids), dict[str, str]()

        async def some(left: Iterator[str] = left, runs: dict[str, str] = runs) -> None:
            for id in left:
                while id not in runs:
                    with contextlib.suppress(Unavailable):  # a busy machine: once more
                        own = start.model_copy(update={"execution_id": id})
                        runs[id] = await temporal.start(id, own, name=name)

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        own = [{"id": i, "temporal_id": i, "tag": execution_tag(row.tenant, i), "run_id": runs[i]} for i in ids]
        async with database.transaction() as session:
            session.add_all(ExecutionRow(**{**values, **each}) for each in own)  # pyright: ignore[reportArgumentType]
    await database.dispose()


def spent(events: Sequence[HistoryEvent], single: Single) -> dict[str, float]:
    """Return where the time of an execution went, in milliseconds."""
    known = {event.event_id: event for event in events}
    found: dict[str, float] = defaultdict(float)

    def add(name: str, later: float, earlier: float) -> None:
        found[name] += 1_000 * (later - earlier)

    for event in events:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                asked = known[event.workflow_task_started_event_attributes.scheduled_event_id]
                kind = asked.workflow_task_scheduled_event_attributes.task_queue.kind
                sticky = kind == TaskQueueKind.TASK_QUEUE_KIND_STICKY
                add("sticky_queue" if sticky else "normal_queue", at(event), at(asked))
            case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                begun = known[event.workflow_task_completed_event_attributes.started_event_id]
                add("workflow_tasks", at(event), at(begun))
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                add(
                    "activity_queue",
                    at(event),
                    at(known[event.activity_task_started_event_attributes.scheduled_event_id]),
                )
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                add("activities", at(event), at(known[event.activity_task_completed_event_attributes.started_event_id]))
            case _:
                pass
    add("before", at(events[0]), single.began)
    add("after", single.began + single.seconds, at(events[-1]))
    return found


def at(event: HistoryEvent) -> float:
    """Return when an event was."""
    return event.event_time.seconds + event.event_time.nanos / 1e9


async def medians(client: Client, singles: Sequence[Single]) -> JsonObject:
    """Return the medians of where the time of executions went."""
    each = [spent((await client.get_workflow_handle(single.id).fetch_history()).events, single) for single in singles]
    names = sorted({name for found in each for name in found})
    return {name: round(statistics.median(found.get(name, 0) for found in each), 1) for name in names}


def summary(singles: Sequence[Single]) -> JsonObject:
    """Return median and 95th percentile in milliseconds."""
    times = [single.seconds * 1_000 for single in singles]
    return {"median": round(statistics.median(times), 1), "p95": round(percentile(times, 95), 1), "of": len(times)}


async def beside(site: Site, single: Tenant, flooding: Tenant, given: argparse.Namespace) -> tuple[list[Single], float]:
    """Run executions of B beside A's; return them, and how many of A's ended in a second."""
    await single.one()  # the worker is there, and has taken what it can get
    began, first = time.perf_counter(), await flooding.open()
    found: list[Single] = []
    left = first
    while left and (len(found) < given.rounds or time.perf_counter() - began < given.seconds):
        found.append(await single.one())
        left = await flooding.open()
    return found, (first - left) / (time.perf_counter() - began)


async def measure(site: Site, given: argparse.Namespace) -> list[JsonObject]:
    """Return the figures of each kind of steps."""
    alone: dict[str, list[Single]] = {}
    figures: list[JsonObject] = []
    async with site.serving():
        made = [await Tenant.make(site.installation, name, graph(given.steps)) for name in ("tenant-a", "tenant-b")]
        flooding, single = made
        client = await Client.connect(f"127.0.0.1:{site.environment['CAIRN_TEMPORAL_PORT']}")
        for kind in given.kinds:
            async with site.working(KINDS[kind]):
                for _ in range(3):
                    await single.one()  # warm
                await asyncio.sleep(REST)
                alone[kind] = [await single.one() for _ in range(given.rounds)]
        began = time.perf_counter()
        await flood(site, flooding, given.backlog)
        flooded = round(time.perf_counter() - began, 1)
        for kind in given.kinds:
            there = await flooding.open()
            async with site.working(KINDS[kind]):
                found, speed = await beside(site, single, flooding, given)
            if len(found) < given.rounds:
                print(f"A's backlog of {given.backlog} is too small: it was over before {kind} steps were measured")
                break
            figures.append({"steps": kind, "seconds_to_start_the_backlog": flooded, "backlog": there})
            figures[-1] |= await compared(client, alone[kind], found, speed)
    return figures


async def compared(client: Client, alone: Sequence[Single], found: Sequence[Single], speed: float) -> JsonObject:
    """Return the figures of one kind of steps."""
    first, second = summary(alone), summary(found)
    return {
        "alone_ms": first,
        "beside_ms": second,
        "ratio": {name: round(second[name] / first[name], 2) for name in ("median", "p95")},
        "of_a_ended_in_a_second": round(speed, 2),
        "of_a_ended_during_one_of_b": round(speed * second["median"] / 1_000, 2),
        "median_ms_spent": {"alone": await medians(client, alone), "beside": await medians(client, found)},
        "each_beside_ms": [round(1_000 * each.seconds) for each in found],
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--backlog", type=int, default=10_000, help="executions that tenant A starts")
    parser.add_argument("--steps", type=int, default=3, help="nodes of each execution")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=20, help="least executions of tenant B in each part, two or more")
    parser.add_argument("--seconds", type=float, default=60, help="how long B runs executions beside A's")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting to measure with")
    given = parser.parse_args()
    settings = dict(each.split("=", 1) for each in given.set)
    with tempfile.TemporaryDirectory(prefix="cairn-fairness-") as folder:
        measured = asyncio.run(measure(Site(Path(folder), settings), given))
    for figures in measured:
        alone, found, ratio = (figures[name] for name in ("alone_ms", "beside_ms", "ratio"))
        print(
            f"{figures['steps']} steps, one execution of B: {alone['median']:.0f} ms alone (p95 {alone['p95']:.0f}), "
            f"{found['median']:.0f} ms (p95 {found['p95']:.0f}) beside {figures['backlog']} of A: "
            f"{ratio['median']} times as long (p95 {ratio['p95']})"
        )
        print(json.dumps(figures), flush=True)
    return 0


if __name__ == "__main__":
    orderly.run(main)
