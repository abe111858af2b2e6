"""A server of the Model Context Protocol, by the official library: on its standard streams, or over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

TOKEN = "Bearer let-me-in"
_PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82"
)


def add(a: int, b: int) -> dict[str, int]:
    """Add two numbers."""
    return {"sum": a + b}


def greet(name: str) -> str:
    """Greet someone."""
    return f"Hello {name}"


def picture() -> list[Any]:
    """Show a picture."""
    return ["A picture:", Image(data=_PIXEL, format="png")]


def broken() -> str:
    """Fail."""
    raise ToolError("the printer is on fire")


def variables() -> dict[str, str]:
    """Tell the environment."""
    return dict(os.environ)


def key(context: Context) -> str:
    """Tell the idempotency key of this call."""
    return str(dict(context.request_context.meta or {}).get("cairn/idempotency-key"))


async def hang(marker: str) -> str:
    """Never answer; as a program, write the ids of this process and of one that it starts."""
    if marker:
        _mark(marker)
    await asyncio.Event().wait()
    return ""


def _mark(marker: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    Path(marker).write_text(f"{os.getpid()} {child.pid}")


def large(size: int) -> str:
    """Return a text of so many characters."""
    return "x" * size


def die() -> str:
    """End the process in the middle of a call."""
    os._exit(3)


def make_server() -> MCPServer:
    server = MCPServer("tests")
    for tool in (add, variables):
        server.add_tool(tool)
    for tool in (greet, picture, broken, key, hang, large, die):
        server.add_tool(tool, structured_output=False)
    return server


@asynccontextmanager
async def serve_mcp() -> AsyncGenerator[str]:
    """Serve it over streamable HTTP to who has the token; yield the endpoint's URL."""
    from servers.listen import serve

    server = make_server()
    app = server.streamable_http_app()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if dict(scope["headers"]).get(b"authorization") != TOKEN.encode():
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    ready, stop = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def work() -> None:
        async with server.session_manager.run(), serve(guarded) as url:
            ready.set_result(f"{url}/mcp")
            await stop.wait()

    # In a task of its own: what runs its sessions has to end in the task that it began in.
    task = asyncio.create_task(work())
    try:
        yield await ready
    finally:
        stop.set()
        await task


if __name__ == "__main__":
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    make_server().run("stdio")
