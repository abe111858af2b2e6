"""What a map of many items costs: ``python bench/maps.py``. Prints JSON at the end.

One installation with one worker. One execution maps a list; each item is an execution of one tool that does nothing.
The histories of the parent, of the map and of its chunks are read afterwards: each has to stay small.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import tempfile
import time
from pathlib import Path

import httpx2
from first import processes
from long import POLL, memory_of
from temporalio.client import Client

from cairn import orderly
from cairn.cli.demo.installation import Installation
from cairn.contracts.json import JsonObject
from cairn.settings import Settings
from cairn.temporal.connection import connect


def mapping(concurrency: int) -> JsonObject:
    """Return a graph that maps ``input.items``."""
    step = {"id": "step", "type": "tool", "data": {"name": "step", "tool": "echo", "arguments": {"value": "item"}}}
    end = {"id": "end", "type": "end", "data": {"name": "end", "output": {"got": "outputs.step"}}}
    each = {"items": "input.items", "body": _sequence(step, end), "concurrency": concurrency}
    last = {"id": "end", "type": "end", "data": {"name": "end", "output": {"number": "size(outputs.each)"}}}
    return _sequence({"id": "each", "type": "map", "data": {"name": "each", **each}}, last)


def _sequence(*nodes: JsonObject) -> JsonObject:
    every = [{"id": "start", "type": "start", "data": {"name": "start"}}, *nodes]
    return {
        "nodes": [{**node, "position": {"x": 0, "y": 0}} for node in every],
        "edges": [
            {"id": f"e{number}", "source": a["id"], "target": b["id"], "data": {"label": "next"}}
            for number, (a, b) in enumerate(itertools.pairwise(every))
        ],
    }


async def sizes(client: Client, workflow_id: str) -> list[tuple[str, int, int]]:
    """Return id, events and bytes of a workflow's history and of those of the maps and chunks below it."""
    handle = client.get_workflow_handle(workflow_id)
    history = [event async for event in handle.fetch_history_events()]
    found = [(workflow_id, len(history), sum(event.ByteSize() for event in history))]
    for event in history:
        below = event.start_child_workflow_execution_initiated_event_attributes
        if below.workflow_type.name == "MapExecution":
            found += await sizes(client, below.workflow_id)
    return found


async def measure(installation: Installation, items: int, concurrency: int) -> JsonObject:
    """Run one execution and return the figures."""
    settings = Settings(home=installation.home, temporal_port=int(installation.environment["CAIRN_TEMPORAL_PORT"]))
    client = await connect(settings, lazy=False)
    worker = processes()["worker"]
    headers = {"X-API-Key": installation.key}
    async with httpx2.AsyncClient(base_url=installation.url, headers=headers, timeout=120, trust_env=False) as api:
        body = {"name": "maps", "definition": mapping(concurrency)}
        made = (await api.post("/api/v1/workflow/create/definition", json=body)).raise_for_status().json()
        began = time.perf_counter()
        given = {"workflow_id": made["uuid"], "input_data": {"items": list(range(items))}}
        execution = (await api.post("/api/v1/executions", json=given)).raise_for_status().json()
        handle = client.get_workflow_handle(execution["temporal"]["workflow_id"])
        memory = [memory_of(worker)]
        while (await handle.describe()).close_time is None:
            await asyncio.sleep(POLL)
            memory.append(memory_of(worker))
        seconds = time.perf_counter() - began
        status = (await api.get(f"/api/v1/executions/{execution['id']}")).raise_for_status().json()
    assert status["output_data"] == {"number": items}, status
    parent, top, *chunks = await sizes(client, handle.id)
    return {
        "items": items,
        "concurrency": concurrency,
        "items_per_second": round(items / seconds, 1),
        "parent": {"events": parent[1], "bytes": parent[2]},
        "map": {"events": top[1], "bytes": top[2]},
        "largest_chunk": {
            "events": max((c[1] for c in chunks), default=0),
            "bytes": max((c[2] for c in chunks), default=0),
        },
        "chunks": len(chunks),
        "worker_mb": {"begin": memory[0], "most": max(memory), "end": memory[-1]},
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--items", type=int, default=500, help="of the list")
    parser.add_argument("--concurrency", type=int, default=50, help="items at a time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cairn-maps-") as folder:
        installation = Installation(Path(folder))
        installation.start()
        try:
            figures = asyncio.run(measure(installation, given.items, given.concurrency))
        finally:
            installation.stop()
    print(f"{figures['items_per_second']} items/s")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    orderly.run(main)
