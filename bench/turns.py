"""What a long conversation of an agent costs a turn: ``python bench/turns.py``. Prints JSON at the end.

One installation with one worker, and a server here that speaks OpenAI's chat completions: it asks for a tool in each
turn and answers in the last. What was said goes with each request, so requests grow; the execution's history must not.
The events of each turn are read from the history afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import uvicorn
from first import processes
from long import POLL, histories, memory_of
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from cairn import orderly
from cairn.cli.demo.installation import Installation
from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import CALL_MODEL
from cairn.settings import Settings
from cairn.temporal.connection import connect

SCHEDULED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
SAID = "A sentence of the model, long enough to be one. " * 20


class Model:
    """Plays the model.

    Attributes:
        requests: bytes of each request.
    """

    def __init__(self, turns: int) -> None:
        """Ask for a tool in each of so many turns but the last."""
        self.turns = turns
        self.requests: list[int] = []

    async def complete(self, request: Request) -> JSONResponse:
        """Answer a request for a chat completion."""
        body = await request.body()
        self.requests.append(len(body))
        turn = sum(message["role"] == "assistant" for message in json.loads(body)["messages"]) + 1
        message: JsonObject = {"role": "assistant", "content": SAID}
        if turn < self.turns:
            call = {"name": "echo", "arguments": json.dumps({"value": f"{turn}: {SAID}"})}
            message["tool_calls"] = [{"id": f"call_{turn}", "type": "function", "function": call}]
        return JSONResponse(
            {
                "id": f"chat_{turn}",
                "object": "chat.completion",
                "created": 0,
                "model": "bench",
                "choices": [
                    {"index": 0, "message": message, "finish_reason": "tool_calls" if turn < self.turns else "stop"}
                ],
                "usage": {
                    "prompt_tokens": len(body) // 4,
                    "completion_tokens": 400,
                    "total_tokens": len(body) // 4 + 400,
                },
            }
        )

    @asynccontextmanager
    async def served(self, at: socket.socket) -> AsyncGenerator[None]:
        """Serve it at a socket."""
        app = Starlette(routes=[Route("/v1/chat/completions", self.complete, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        serving = asyncio.create_task(server.serve(sockets=[at]))
        try:
            yield
        finally:
            server.should_exit = True
            await serving


def talking(turns: int) -> JsonObject:
    """Return a graph of one agent that talks for so many turns."""
    agent = {"model": "openai:bench", "prompt": "Go on.", "tools": ["echo"], "max_turns": turns}
    nodes = [("start", "start", {}), ("talk", "agent", agent), ("end", "end", {"output": {"said": "outputs.talk"}})]
    return {
        "nodes": [
            {"id": id, "type": kind, "position": {"x": 0, "y": 0}, "data": {"name": id, **data}}
            for id, kind, data in nodes
        ],
        "edges": [
            {"id": f"{a}-{b}", "source": a, "target": b, "data": {"label": "next"}}
            for a, b in (("start", "talk"), ("talk", "end"))
        ],
    }


def by_turn(runs: Sequence[Sequence[HistoryEvent]]) -> list[tuple[int, float]]:
    """Return the bytes of each turn's events, and the second in which it began."""
    found: list[tuple[int, float]] = []
    for run in runs:
        counting = False
        for event in run:
            name = event.activity_task_scheduled_event_attributes.activity_type.name
            if event.event_type == SCHEDULED and name == CALL_MODEL.name:
                found.append((0, event.event_time.seconds + event.event_time.nanos / 1e9))
                counting = True
            if counting:  # what begins a run belongs to no turn
                size, began = found[-1]
                found[-1] = size + event.ByteSize(), began
    return found


async def measure(installation: Installation, model: Model, at: socket.socket) -> JsonObject:
    """Run one execution and return the figures."""
    settings = Settings(home=installation.home, temporal_port=int(installation.environment["CAIRN_TEMPORAL_PORT"]))
    client = await connect(settings, lazy=False)
    worker = processes()["worker"]
    headers = {"X-API-Key": installation.key}
    async with (
        model.served(at),
        httpx2.AsyncClient(base_url=installation.url, headers=headers, timeout=120, trust_env=False) as api,
    ):
        body = {"name": "turns", "definition": talking(model.turns)}
        made = (await api.post("/api/v1/workflow/create/definition", json=body)).raise_for_status().json()
        started = await api.post("/api/v1/executions", json={"workflow_id": made["uuid"]})
        execution = started.raise_for_status().json()
        handle = client.get_workflow_handle(execution["temporal"]["workflow_id"])
        memory = [memory_of(worker)]
        while (await handle.describe()).close_time is None:
            await asyncio.sleep(POLL)
            memory.append(memory_of(worker))
        status = (await api.get(f"/api/v1/executions/{execution['id']}")).raise_for_status().json()
    assert status["output_data"] == {"said": SAID}, status
    runs = await histories(client, handle.id, (await handle.describe()).run_id)
    turns = by_turn(runs)
    tenth = max(model.turns // 10, 2)
    sizes = [size for size, _ in turns[:-1]]  # the last turn has no tool
    stored = sum(file.stat().st_size for file in (installation.home / "blobs").rglob("*") if file.is_file())
    return {
        "turns": len(turns),
        "runs": len(runs),
        "history_bytes_per_turn": {"first_tenth": _mean(sizes[:tenth]), "last_tenth": _mean(sizes[-tenth:])},
        "largest_event": max(event.ByteSize() for run in runs for event in run),
        "request_bytes": {"first": model.requests[0], "last": model.requests[-1]},
        "requests": len(model.requests),
        "stored_bytes": stored,
        "seconds_per_turn": {
            "first_tenth": round((turns[tenth - 1][1] - turns[0][1]) / (tenth - 1), 3),
            "last_tenth": round((turns[-1][1] - turns[-tenth][1]) / (tenth - 1), 3),
        },
        "worker_mb": {"begin": memory[0], "end": memory[-1]},
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
    }


def _mean(values: Sequence[int]) -> int:
    return round(sum(values) / len(values))


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=500, help="of the agent, at most 1000")
    given = parser.parse_args()
    # With the protocol named, asyncio sends a reply's body at once, not 40 ms after its headers.
    with socket.socket(proto=socket.IPPROTO_TCP) as at, tempfile.TemporaryDirectory(prefix="cairn-turns-") as folder:
        at.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{at.getsockname()[1]}/v1"
        installation = Installation(Path(folder), {"CAIRN_OPENAI_BASE_URL": url, "CAIRN_STREAM_MODELS": "false"})
        installation.start()
        try:
            figures = asyncio.run(measure(installation, Model(given.turns), at))
        finally:
            installation.stop()
    sizes = figures["history_bytes_per_turn"]
    print(f"{sizes['first_tenth']} bytes of history a turn at the beginning, {sizes['last_tenth']} at the end")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    orderly.run(main)
