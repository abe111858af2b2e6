"""The reference server of the Model Context Protocol, as npm has it, over both transports (`make frontends`)."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from calls import fail, node_call, run
from frontends.install import BIN, MODULES, installed
from installation import until

from activities.mcp import McpActivities
from cairn.providers.mcp import describe_tool, find_server
from cairn.settings import Settings

pytestmark = pytest.mark.skipif(not installed(), reason="`make frontends` installs the server")

PROGRAM = MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"


@pytest.fixture(scope="module")
async def url() -> AsyncGenerator[str]:
    """The server over streamable HTTP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = await asyncio.create_subprocess_exec(
        *(BIN / "node", PROGRAM, "streamableHttp"),
        env={**os.environ, "PORT": str(port)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def listening() -> bool:
        assert program.returncode is None, "the server did not start"
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    await until(listening, 60)
    yield f"http://127.0.0.1:{port}/mcp"
    program.kill()
    await program.wait()


@pytest.fixture
def settings(tmp_path: Path, url: str) -> Settings:
    program = {"command": str(BIN / "node"), "args": [str(PROGRAM), "stdio"]}
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"stdio": program, "http": {"url": url}}}))
    return Settings(mcp_servers=file)


@pytest.mark.parametrize("server", ["stdio", "http"])
async def test_its_tools_are_called(settings: Settings, server: str) -> None:
    activity = McpActivities(settings).call_mcp
    asked = {"echo": {"message": "Zoë"}, "get-sum": {"a": 2, "b": 3}}
    texts = {
        tool: (await run(activity, node_call(server=server, tool=tool, arguments=arguments))).value
        for tool, arguments in asked.items()
    }
    assert texts == {"echo": "Echo: Zoë", "get-sum": "The sum of 2 and 3 is 5."}
    weather = node_call(server=server, tool="get-structured-content", arguments={"location": "Chicago"})
    value = (await run(activity, weather)).value
    assert set(value) == {"temperature", "conditions", "humidity"}
    description, schema = await describe_tool(find_server(settings, server), "get-sum", seconds=60)
    assert description == "Returns the sum of two numbers" and set(schema["properties"]) == {"a", "b"}
    error = await fail(activity, node_call(server=server, tool="no-such-tool", arguments={}))
    assert error.type == "unknown_tool" and "get-sum" in error.message
