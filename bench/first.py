"""What Cairn costs beside Temporal alone: ``make bench WHAT=first``. Prints a table, and a line of JSON at the end.

One dev server, one machine, one run. A graph of 50 tool nodes that do nothing runs through Cairn (API, row, landing,
checkpoints, everything), the same 50 activities run in a workflow written by hand; both workers have the same options
and the same workflow runner. The sides take turns, and ratios are those of neighbours.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import psutil
from figures import Compared, percentile
from handwritten import TASK_QUEUE, HandWritten, Work
from replaying import task_costs
from rich.console import Console
from rich.table import Table
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle, WorkflowHistory

from cairn import orderly
from cairn.cli.demo.installation import Installation
from cairn.contracts.json import JsonObject
from cairn.settings import Settings
from cairn.temporal.connection import connect
from workflows.registry import WORKFLOWS

STEPS = 50
AT_ONCE = 20
LONG = 1_000
WINDOW = 40
REST = 3.0
SCHEDULED, COMPLETED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED


def chain(steps: int) -> JsonObject:
    """Return a graph of tool nodes one after the other."""
    ids = [f"n{number}" for number in range(steps)]
    nodes = [
        {"id": id, "type": "tool", "data": {"name": id, "tool": "echo", "arguments": {"value": "1"}}} for id in ids
    ]
    return _graph(nodes, list(zip(["start", *ids], [*ids, "end"], strict=True)))


def loop(steps: int) -> JsonObject:
    """Return a graph of one tool node that is visited again and again."""
    data = {"name": "Step", "tool": "echo", "arguments": {"value": "1"}, "max_visits": steps}
    graph = _graph([{"id": "step", "type": "tool", "data": data}], [("start", "step")])
    again = {"label": "again", "expression": f"execution.visits.step < {steps}"}
    graph["edges"] += [
        {"id": "again", "source": "step", "target": "step", "data": again},
        {"id": "done", "source": "step", "target": "end", "data": {"label": "done"}},
    ]
    return graph


def _graph(nodes: list[JsonObject], edges: list[tuple[str, str]]) -> JsonObject:
    ends = [{"id": id, "type": id, "data": {"name": id.title()}} for id in ("start", "end")]
    return {
        "nodes": [{**node, "position": {"x": 0, "y": 0}} for node in (*ends, *nodes)],
        "edges": [
            {"id": f"e{number}", "source": source, "target": target, "data": {"label": "next"}}
            for number, (source, target) in enumerate(edges)
        ],
    }


Growth: TypeAlias = dict[str, dict[int, float]]
"""Milliseconds of a step by side and place."""


class Bench:
    """Both sides on one server."""

    def __init__(self, client: Client, api: httpx2.AsyncClient, workers: Sequence[psutil.Process]) -> None:
        """Take a client of Temporal, one of Cairn's API, and the worker of each side."""
        self.client = client
        self.api = api
        self.workers = workers

    async def publish(self, name: str, definition: JsonObject) -> str:
        """Publish a graph and return its uuid."""
        body = {"name": name, "definition": definition}
        reply = await self.api.post("/api/v1/workflow/create/definition", json=body)
        made = reply.raise_for_status().json()
        if made["version_status"] != "published":
            raise SystemExit(f"graph {name} is not valid: {made}")
        return made["uuid"]

    async def start_cairn(self, graph: str) -> WorkflowHandle[Any, Any]:
        """Start an execution by POST /executions."""
        reply = await self.api.post("/api/v1/executions", json={"workflow_id": graph, "input_data": {}})
        return self.client.get_workflow_handle(reply.raise_for_status().json()["temporal"]["workflow_id"])

    async def start_temporal(self, steps: int) -> WorkflowHandle[Any, Any]:
        """Start the hand-written workflow."""
        return await self.client.start_workflow(
            HandWritten.run, Work(steps=steps), id=f"bench-{uuid.uuid4()}", task_queue=TASK_QUEUE
        )

    async def latency(self, graph: str, rounds: int) -> tuple[Compared, Compared]:
        """Return milliseconds a step between steps, and of a whole execution with start and end, over its steps."""
        within: tuple[list[float], list[float]] = ([], [])
        whole: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for side, start in enumerate((lambda: self.start_cairn(graph), lambda: self.start_temporal(STEPS))):
                began = time.perf_counter()
                handle = await start()
                await handle.result()
                whole[side].append((time.perf_counter() - began) * 1_000 / STEPS)
                gaps = _gaps((await handle.fetch_history()).events)
                within[side].append(sum(gaps) / len(gaps))
        return Compared.of(*within), Compared.of(*whole)

    async def throughput(self, graph: str, rounds: int) -> tuple[Compared, Compared]:
        """Return steps a second with twenty executions at once, and the milliseconds of the worker's CPU a step."""
        found: tuple[list[float], list[float]] = ([], [])
        effort: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for side, start in enumerate((lambda: self.start_cairn(graph), lambda: self.start_temporal(STEPS))):
                before = _cpu(self.workers[side])
                found[side].append(AT_ONCE * STEPS / await _together(start))
                effort[side].append((_cpu(self.workers[side]) - before) * 1_000 / (AT_ONCE * STEPS))
        return Compared.of(*found), Compared.of(*effort)

    async def starts(self, graph: str, count: int) -> tuple[list[float], list[float]]:
        """Return the milliseconds of POST /executions and of a bare start, one after the other."""
        found: tuple[list[float], list[float]] = ([], [])
        handles: list[WorkflowHandle[Any, Any]] = []
        for _ in range(count):
            for side, start in enumerate((lambda: self.start_cairn(graph), lambda: self.start_temporal(0))):
                began = time.perf_counter()
                handles.append(await start())
                found[side].append((time.perf_counter() - began) * 1_000)
            # What was started ends before the next is measured.
            await asyncio.gather(*(handle.result() for handle in handles[-2:]))
        return found

    async def growth(self, graph: str, rounds: int) -> tuple[Growth, Growth]:
        """Return the milliseconds of a step about step 10, 100 and 1,000 of one execution, of both sides.

        First by the clock, then the CPU of the workflow's own code, by replay.
        """
        clock: dict[str, list[dict[int, float]]] = {"cairn": [], "temporal": []}
        code: dict[str, list[dict[int, float]]] = {"cairn": [], "temporal": []}
        for _ in range(rounds):
            for side, start, workflows in (
                ("cairn", lambda: self.start_cairn(graph), WORKFLOWS),
                ("temporal", lambda: self.start_temporal(LONG), [HandWritten]),
            ):
                handle = await start()
                await handle.result()
                runs = await self._runs(handle)
                clock[side].append(_windows(_gaps(event for run in runs for event in run.events)))
                costs = [await task_costs(run, workflows, self.client.data_converter) for run in runs]
                code[side].append(_windows([cost for of in costs for cost in of]))
        return _medians(clock), _medians(code)

    async def _runs(self, handle: WorkflowHandle[Any, Any]) -> list[WorkflowHistory]:
        """Return the histories of an execution's runs, oldest first: a long one goes on in new runs."""
        runs = [await handle.fetch_history()]
        while before := runs[0].events[0].workflow_execution_started_event_attributes.continued_execution_run_id:
            runs.insert(0, await self.client.get_workflow_handle(handle.id, run_id=before).fetch_history())
        return runs


def _medians(found: dict[str, list[dict[int, float]]]) -> Growth:
    return {
        side: {at: statistics.median(each[at] for each in rounds) for at in rounds[0]} for side, rounds in found.items()
    }


async def _together(start: Callable[[], Awaitable[WorkflowHandle[Any, Any]]]) -> float:
    async def one() -> None:
        await (await start()).result()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    return time.perf_counter() - began


def _gaps(events: Iterable[HistoryEvent]) -> list[float]:
    """Return the milliseconds from the schedule of each activity to the next one's; of the last to its completion."""
    times: list[float] = []
    for event in events:
        if event.event_type == SCHEDULED or event.event_type == COMPLETED:
            moment = event.event_time.seconds * 1_000 + event.event_time.nanos / 1e6
            if event.event_type == SCHEDULED:
                times.append(moment)
            else:
                last = moment
    return [later - earlier for earlier, later in zip(times, [*times[1:], last], strict=True)]


def _windows(gaps: list[float]) -> dict[int, float]:
    """Return the median gap about each place: places near the beginning and the end have their window inside."""
    half = WINDOW // 2
    places = {10: slice(0, half), 100: slice(100 - half, 100 + half), LONG: slice(LONG - WINDOW, LONG)}
    return {at: statistics.median(gaps[place]) for at, place in places.items()}


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def processes() -> dict[str, psutil.Process]:
    """Return the API's process and the worker's."""
    found: dict[str, psutil.Process] = {}
    for process in psutil.Process().children(recursive=True):
        command = process.cmdline()
        if command[-2:-1] == ["cairn"] and command[-1] in ("api", "worker"):
            found[command[-1]] = process
    return found


async def measure(installation: Installation, by_hand: psutil.Process, quick: bool) -> JsonObject:
    """Run everything against an installation and return the figures."""
    environment = installation.environment
    settings = Settings(home=installation.home, temporal_port=int(environment["CAIRN_TEMPORAL_PORT"]))
    await asyncio.sleep(REST)
    running = processes()
    memory = {name: process.memory_info().rss / 1e6 for name, process in sorted(running.items())}
    headers = {"X-API-Key": installation.key}
    async with httpx2.AsyncClient(base_url=installation.url, headers=headers, timeout=60, trust_env=False) as api:
        bench = Bench(await connect(settings, lazy=False), api, (running["worker"], by_hand))
        graph = await bench.publish("bench-chain", chain(STEPS))
        empty = await bench.publish("bench-empty", chain(0))
        long = await bench.publish("bench-loop", loop(LONG))
        await bench.latency(graph, 2)  # both sides warm
        step, whole = await bench.latency(graph, 3 if quick else 15)
        throughput, effort = await bench.throughput(graph, 1 if quick else 3)
        posts, starts = await bench.starts(empty, 20 if quick else 200)
        clock, code = await bench.growth(long, 1 if quick else 3)
    return {
        "step_ms": step.document(),
        "execution_ms_per_step": whole.document(),
        "steps_per_second": throughput.document(),
        "worker_cpu_ms_per_step": effort.document(),
        "start_ms": {
            name: {f"p{rank}": round(percentile(values, rank), 2) for rank in (50, 99)}
            for name, values in (("post_executions", posts), ("client_start_workflow", starts))
        },
        "step_ms_at": _document(clock),
        "workflow_cpu_ms_at": _document(code),
        "rss_mb": {name: round(size, 1) for name, size in memory.items()},
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
    }


def _document(growth: Growth) -> JsonObject:
    return {
        side: {**{str(at): round(ms, 3) for at, ms in each.items()}, "growth": round(each[LONG] / each[10], 3)}
        for side, each in growth.items()
    }


def show(figures: JsonObject) -> None:
    """Print the table, then the line of JSON."""
    table = Table(title=f"{STEPS} steps that do nothing, on {figures['cores']} cores (load {figures['load']})")
    for column in ("", "Cairn", "Temporal by hand", "ratio (median)", "middle half"):
        table.add_column(column, justify="left" if not column else "right")
    for key, name in (
        ("step_ms", "one step (ms)"),
        ("execution_ms_per_step", "one execution / 50 (ms)"),
        ("steps_per_second", f"{AT_ONCE} at once (steps/s)"),
        ("worker_cpu_ms_per_step", "the worker's CPU a step (ms)"),
    ):
        each = figures[key]
        spread = f"{each['low']:.2f} to {each['high']:.2f}"
        table.add_row(name, f"{each['cairn']:.1f}", f"{each['temporal']:.1f}", f"{each['ratio']:.2f}", spread)
    post, start = figures["start_ms"]["post_executions"], figures["start_ms"]["client_start_workflow"]
    for rank in ("p50", "p99"):
        table.add_row(
            f"start {rank} (ms)", f"{post[rank]:.1f}", f"{start[rank]:.1f}", f"{post[rank] / start[rank]:.2f}"
        )
    for key, name in (("step_ms_at", "by the clock"), ("workflow_cpu_ms_at", "workflow code")):
        for at in ("10", "100", str(LONG)):
            cairn, temporal = (figures[key][side][at] for side in ("cairn", "temporal"))
            table.add_row(f"step {at}, {name} (ms)", f"{cairn:.2f}", f"{temporal:.2f}", f"{cairn / temporal:.2f}")
        cairn, temporal = (figures[key][side]["growth"] for side in ("cairn", "temporal"))
        table.add_row(f"step {LONG} / step 10, {name}", f"{cairn:.2f}", f"{temporal:.2f}")
    for name, size in figures["rss_mb"].items():
        table.add_row(f"memory of the {name} at rest (MB)", f"{size:.0f}")
    Console(width=100).print(table)
    print(json.dumps(figures))


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few rounds: does it work at all?")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as folder:
        installation = Installation(Path(folder))
        installation.start()
        by_hand = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("handwritten.py"))],
            env={**installation.environment, orderly.PARENT_VARIABLE: str(os.getpid())},
        )
        try:
            show(asyncio.run(measure(installation, psutil.Process(by_hand.pid), quick)))
        finally:
            by_hand.terminate()
            by_hand.wait()
            installation.stop()
    return 0


if __name__ == "__main__":
    orderly.run(main)
