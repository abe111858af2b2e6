"""What a tenant waits for because of another one: ``python bench/fairness.py``. Prints a line of JSON at the end.

One installation with one worker. Tenant B runs single executions, one after the other: first alone, then while tenant A
has a backlog of executions that it started at once. The ratio of the medians is what A's backlog costs B.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2

from cairn import orderly
from cairn.cli.demo.installation import Installation
from cairn.contracts.json import JsonObject

AT_ONCE = 16
REST = 3.0
OPEN = {"status": "running", "page_size": 1}


def graph(steps: int) -> JsonObject:
    """Return a graph of tool nodes one after the other."""
    ids = ["start", *(f"n{number}" for number in range(steps)), "end"]
    tool = {"tool": "echo", "arguments": {"value": "1"}}
    nodes = [
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


class Tenant:
    """A caller with a graph."""

    def __init__(self, api: httpx2.AsyncClient, workflow: str) -> None:
        """Take its connection and the graph's id."""
        self.api = api
        self.workflow = workflow

    @classmethod
    async def make(cls, installation: Installation, name: str, steps: int) -> Tenant:
        """Make a tenant with a key and a published graph."""
        command = [sys.executable, "-m", "cairn", "keys", "create", "--tenant", name, "--json"]
        made = await asyncio.to_thread(
            subprocess.run, command, env=installation.environment, capture_output=True, text=True, check=True
        )
        headers = {"X-API-Key": json.loads(made.stdout)["key"]}
        api = httpx2.AsyncClient(base_url=installation.url, headers=headers, timeout=120, trust_env=False)
        body = {"name": "fairness", "definition": graph(steps)}
        reply = (await api.post("/api/v1/workflow/create/definition", json=body)).raise_for_status().json()
        return cls(api, reply["uuid"])

    async def start(self) -> str:
        """Start an execution and return its id."""
        reply = await self.api.post("/api/v1/executions", json={"workflow_id": self.workflow})
        return reply.raise_for_status().json()["id"]

    async def flood(self, count: int) -> None:
        """Start so many executions, some at a time."""
        left = iter(range(count))

        async def some() -> None:
            for _ in left:
                await self.start()

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))

    async def open(self) -> int:
        """Return how many executions have not ended."""
        return (await self.api.get("/api/v1/executions", params=OPEN)).raise_for_status().json()["total"]

    async def one(self) -> float:
        """Run an execution; return the seconds from the request to the last event."""
        began = time.perf_counter()
        path = f"/api/v1/executions/{await self.start()}/events"
        async with self.api.stream("GET", path) as events:
            async for _ in events.aiter_lines():
                pass
        return time.perf_counter() - began


async def measure(installation: Installation, backlog: int, steps: int, rounds: int) -> JsonObject:
    """Return the figures."""
    flooding, single = [await Tenant.make(installation, name, steps) for name in ("tenant-a", "tenant-b")]
    for _ in range(3):
        await single.one()  # warm
    await asyncio.sleep(REST)
    alone = [await single.one() for _ in range(rounds)]
    began = time.perf_counter()
    await flooding.flood(backlog)
    started = time.perf_counter() - began
    beside: list[float] = []
    left = queued = await flooding.open()
    while left and len(beside) < rounds:
        beside.append(await single.one())
        left = await flooding.open()
    while await flooding.open():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.2)
    return {
        "backlog": backlog,
        "open_when_b_began": queued,
        "open_when_b_ended": left,
        "seconds_to_start_the_backlog": round(started, 1),
        "seconds_of_the_backlog": round(time.perf_counter() - began, 1),
        "alone_ms": [round(each * 1_000, 1) for each in alone],
        "beside_ms": [round(each * 1_000, 1) for each in beside],
        "ratio": round(statistics.median(beside) / statistics.median(alone), 2) if beside else None,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--backlog", type=int, default=500, help="executions that tenant A starts at once")
    parser.add_argument("--steps", type=int, default=3, help="nodes of each execution")
    parser.add_argument("--rounds", type=int, default=5, help="executions of tenant B in each part")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting to measure with")
    given = parser.parse_args()
    settings = dict(each.split("=", 1) for each in given.set)
    with tempfile.TemporaryDirectory(prefix="cairn-fairness-") as folder:
        installation = Installation(Path(folder), settings)
        installation.start()
        try:
            figures = asyncio.run(measure(installation, given.backlog, given.steps, given.rounds))
        finally:
            installation.stop()
    alone, beside = (statistics.median(figures[name]) if figures[name] else 0 for name in ("alone_ms", "beside_ms"))
    print(f"one execution of tenant B: {alone:.0f} ms alone, {beside:.0f} ms beside {given.backlog} of tenant A")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    orderly.run(main)
