"""Servers of the tests: real ones, on a free port of the loopback interface."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn


class Server(uvicorn.Server):
    """Tells when it serves, and ends as soon as it is told to: uvicorn itself looks for that ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._told = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1)

    def end(self) -> None:
        self.should_exit = True
        self._told.set()


@asynccontextmanager
async def serve(app: Callable[..., Awaitable[Any]]) -> AsyncGenerator[str]:
    """Serve an ASGI application and yield its base URL."""
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:  # so that asyncio sends what is written at once
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        server = Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await server.ready.wait()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.end()
            await task


@asynccontextmanager
async def serve_raw(reply: bytes, *, hang: bool = False) -> AsyncGenerator[str]:
    """Answer every connection's first request with these bytes and close (or say nothing more); yield the base URL."""
    stop = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                await reader.readexactly(int(line.split(b":")[1]))
        writer.write(reply)
        await writer.drain()
        if hang:
            await stop.wait()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        stop.set()
        server.close()
        await server.wait_closed()
