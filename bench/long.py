"""What a long execution costs at its end beside its beginning: ``python bench/long.py``. Prints JSON at the end.

One installation with one worker. A few loops of a tool that does nothing run side by side in one execution, which goes
on in new runs whenever Temporal suggests it. All is read from its history afterwards, but for times of requests and
memory. The machine does other things, too: ratios of the last tenth to the first are what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import psutil
from first import processes
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from cairn import orderly
from cairn.cli.demo.installation import Installation
from cairn.contracts.json import JsonObject
from cairn.settings import Settings
from cairn.temporal.connection import connect, is_away

COMPLETED = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
POLL = 1.0


async def has_ended(handle: WorkflowHandle[Any, Any]) -> bool:
    """Whether an execution has ended; a Temporal that is away for a moment is no end of an hour of work."""
    try:
        return (await handle.describe()).close_time is not None
    except RPCError as error:
        if not is_away(error):
            raise
        return False


def loops(rounds: int, branches: int) -> JsonObject:
    """Return a graph of loops side by side, each of one tool node."""
    ids = [f"step{number}" for number in range(branches)]
    kinds = {"start": "start", "fan": "parallel", "meet": "join", "end": "end"}
    nodes = [{"id": id, "type": kind, "data": {"name": id}} for id, kind in kinds.items()]
    tool = {"tool": "echo", "arguments": {"value": "1"}, "max_visits": rounds}
    nodes += [{"id": id, "type": "tool", "data": {"name": id, **tool}} for id in ids]
    edges = [("start", "fan", "next", None), ("meet", "end", "next", None)]
    for id in ids:
        again = f"execution.visits.{id} < {rounds}"
        edges += [("fan", id, id, None), (id, id, "again", again), (id, "meet", "done", None)]
    return {
        "nodes": [{**node, "position": {"x": 0, "y": 0}} for node in nodes],
        "edges": [
            {
                "id": f"e{number}",
                "source": source,
                "target": target,
                "data": {"label": label, **({"expression": expression} if expression else {})},
            }
            for number, (source, target, label, expression) in enumerate(edges)
        ],
    }


async def histories(client: Client, workflow_id: str, run_id: str) -> list[list[HistoryEvent]]:
    """Return the histories of an execution's runs, oldest first."""
    found: list[list[HistoryEvent]] = []
    run: str = run_id
    while run:
        handle = client.get_workflow_handle(workflow_id, run_id=run)
        found.append([event async for event in handle.fetch_history_events()])
        run = found[-1][0].workflow_execution_started_event_attributes.continued_execution_run_id
    return found[::-1]


def speeds(events: Sequence[HistoryEvent]) -> list[float]:
    """Return the steps a second of each tenth of the steps."""
    times = [event.event_time.seconds + event.event_time.nanos / 1e9 for event in events]
    tenth = len(times) // 10
    return [(tenth - 1) / (times[at + tenth - 1] - times[at]) for at in range(0, tenth * 10, tenth)]


async def timed(api: httpx2.AsyncClient, path: str) -> float:
    """Return the milliseconds of a request."""
    began = time.perf_counter()
    (await api.get(path)).raise_for_status()
    return round((time.perf_counter() - began) * 1_000, 1)


async def measure(installation: Installation, steps: int, branches: int) -> JsonObject:
    """Run one execution and return the figures."""
    settings = Settings(home=installation.home, temporal_port=int(installation.environment["CAIRN_TEMPORAL_PORT"]))
    client = await connect(settings, lazy=False)
    running = processes()
    headers = {"X-API-Key": installation.key}
    async with httpx2.AsyncClient(base_url=installation.url, headers=headers, timeout=120, trust_env=False) as api:
        body = {"name": "long", "definition": loops(steps // branches, branches)}
        made = (await api.post("/api/v1/workflow/create/definition", json=body)).raise_for_status().json()
        started = await api.post("/api/v1/executions", json={"workflow_id": made["uuid"]})
        execution = started.raise_for_status().json()
        handle = client.get_workflow_handle(execution["temporal"]["workflow_id"])
        memory = [memory_of(running["worker"])]
        while not await has_ended(handle):
            await asyncio.sleep(POLL)
            memory.append(memory_of(running["worker"]))
        before = memory_of(running["api"])
        path = f"/api/v1/executions/{execution['id']}"
        kept = [file.stat().st_size for file in (installation.home / "blobs").rglob("run-*")]
        first, again = await timed(api, path), await timed(api, path)
        lineage = await timed(api, f"{path}/lineage")
        status = (await api.get(path)).json()
    assert status["status"] == "completed", status
    runs = await histories(client, handle.id, (await handle.describe()).run_id)
    events = [event for run in runs for event in run]
    found = speeds([event for event in events if event.event_type == COMPLETED])
    carries = [run[0].workflow_execution_started_event_attributes.input.ByteSize() for run in runs]
    return {
        "steps": steps,
        "branches": branches,
        "runs": len(runs),
        "steps_per_second": {"first_tenth": round(found[0], 1), "last_tenth": round(found[-1], 1)},
        "speed_ratio": round(found[-1] / found[0], 2),
        "history_bytes_per_step": round(sum(event.ByteSize() for event in events) / steps),
        "largest_history": {"events": max(map(len, runs)), "bytes": max(sum(e.ByteSize() for e in r) for r in runs)},
        "bytes_started_with": {"first": carries[0], "second": carries[min(1, len(runs) - 1)], "last": carries[-1]},
        "get_ms": {"nothing_read_yet": first, "again": again, "lineage": lineage},
        "runs_kept_before": {"number": len(kept), "bytes": sum(kept)},
        "worker_mb": {"begin": memory[0], "middle": memory[len(memory) // 2], "end": memory[-1]},
        "api_mb": {"before_get": before, "after": memory_of(running["api"])},
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
    }


def memory_of(process: psutil.Process) -> float:
    """Return the resident memory of a process in MB."""
    return round(process.memory_info().rss / 1e6, 1)


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=5_000, help="of the execution")
    parser.add_argument("--branches", type=int, default=10, help="loops side by side")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cairn-long-") as folder:
        installation = Installation(Path(folder))
        installation.start()
        try:
            figures = asyncio.run(measure(installation, given.steps, given.branches))
        finally:
            installation.stop()
    speed = figures["steps_per_second"]
    print(f"{speed['first_tenth']} steps/s at the beginning, {speed['last_tenth']} at the end")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    orderly.run(main)
