"""A client that opens a stream and never reads: little is made for it, and its stream ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from types import SimpleNamespace

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from installation import until
from sse_starlette import ServerSentEvent

from api.kit.connections import give_up_after
from api.kit.sse import stream

PIECE = "x" * 10_000
PIECES = 1_000
"""More than the kernel takes over for one connection."""

PATIENCE = 3


class Events:
    """Streams of 10 MB: how much of each was made, and which have ended."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.ended: set[int] = set()

    async def tell(self) -> AsyncIterator[ServerSentEvent]:
        mine = len(self.made)
        self.made.append(0)
        try:
            for _ in range(PIECES):
                await asyncio.sleep(0)  # so that the end of the connection can be heard
                yield ServerSentEvent(data=PIECE)
                self.made[mine] += 1
        finally:
            self.ended.add(mine)


@pytest.mark.parametrize("by", ["the system", "the stream"])
async def test_a_client_that_never_reads_is_let_go(by: str) -> None:
    told, app = Events(), FastAPI()
    app.state.context = SimpleNamespace(settings=SimpleNamespace(stream_patience=PATIENCE))
    app.add_api_route("/", lambda: stream(told.tell()))
    with socket.socket() as listening, socket.socket() as stuck:
        listening.bind(("127.0.0.1", 0))
        if by == "the system":
            give_up_after(listening, PATIENCE)
            app.state.context.settings.stream_patience = 3600
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        await until(lambda: server.started)
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(listening.getsockname())
        stuck.sendall(b"GET / HTTP/1.1\r\nHost: api\r\n\r\n")
        await until(lambda: told.made)
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as client:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
            async with client.stream("GET", url) as reply, aclosing(reply.aiter_lines()) as lines:
                read = [len(line) async for line in lines if line.startswith("data: ")]
        assert read == [len(PIECE) + len("data: ")] * PIECES, "the other one has all of it"
        await until(lambda: told.ended == {0, 1})
        assert told.made[0] < 0.6 * PIECES and told.made[1] == PIECES
        await until(lambda: by == "the stream" or not server.server_state.connections)
        server.should_exit = True
        await serving
