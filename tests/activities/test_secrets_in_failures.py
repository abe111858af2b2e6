"""What callers, logs and Temporal's history are told of work that failed: no secret that a definition or a file has."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from calls import environment, node_call
from servers.listen import serve, serve_raw
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from activities.http import HttpActivities
from activities.mcp import McpActivities
from activities.tools import tool_error
from cairn.domain.credentials import CredentialHeaders, Sealer
from cairn.domain.tools.authored.definition import HttpApiConfig
from cairn.domain.tools.authored.request import HttpRequests
from cairn.domain.tools.tool import ToolContext, ToolError
from cairn.persistence.session import Database, create_engine
from cairn.settings import Settings

PASSWORD, KEY, TOKEN, VARIABLE = "pass%20word-1", "key-in-a-query-1", "token-in-a-header-1", "variable-of-a-program-1"
SECRETS = (PASSWORD, "pass word-1", KEY, TOKEN, VARIABLE, base64.b64encode(b"ann:pass word-1").decode())
SETTINGS = Settings(http_allow_private=True)
CREDENTIALS = CredentialHeaders(Database(create_engine("sqlite+aiosqlite:///none.db")), Sealer([("k", bytes(32))]))
CALL = ToolContext("key", "e", "t", True, "n", 1, "l")
ENDS = ["refused", "hangs", "echoes", "nobody"]


async def refuse(request: Request) -> Response:
    """Repeat all that was sent, as they do who want to help."""
    return PlainTextResponse(f"wrong: {request.url} {dict(request.headers)}", 401)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with the request, which is no answer."""
    writer.write(await reader.readuntil(b"\r\n\r\n"))
    await writer.drain()
    writer.close()


@pytest.fixture(scope="module")
async def ends() -> AsyncGenerator[dict[str, str]]:
    methods = ["GET", "POST"]
    answering = Starlette(routes=[Route("/refused", refuse, methods=methods)])
    echoing = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with serve(answering) as url, serve_raw(b"", hang=True) as silent, echoing:
        raw = f"http://127.0.0.1:{echoing.sockets[0].getsockname()[1]}"
        yield {"refused": f"{url}/refused", "hangs": silent, "echoes": raw, "nobody": "http://127.0.0.1:9"}


def with_secrets(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://ann:{PASSWORD}@{host}/{path}?page=1&api_key={KEY}"


async def all_that_is_told(error: ApplicationError) -> str:
    """Return what a caller is told, and what stands in history."""
    failure = Failure()
    await DataConverter.default.encode_failure(error, failure)
    return f"{error} {error.details} {failure} {failure.application_failure_info.details}"


async def failed(activity: Any, seconds: float = 1.0, **data: Any) -> str:
    with pytest.raises(ApplicationError) as caught:
        await environment().run(activity, node_call(timeout=seconds, **data))
    return await all_that_is_told(caught.value)


def leaked(told: str) -> set[str]:
    return {secret for secret in SECRETS if secret in told}


@pytest.mark.parametrize("end", ENDS)
async def test_of_a_request(ends: dict[str, str], end: str) -> None:
    sent = HttpActivities(SETTINGS, CREDENTIALS).http_request
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Api-Key": TOKEN}
    told = await failed(sent, url=with_secrets(ends[end]), method="POST", headers=headers)
    assert leaked(told) == set()
    told = await failed(sent, url=with_secrets(ends[end]), method="POST")  # the user's name and password are a header
    assert leaked(told) == set()


@pytest.mark.parametrize(
    ("url", "header"),
    [
        (with_secrets("ftp://host/x"), TOKEN),
        (with_secrets("http://127.0.0.1:9/x"), f"{TOKEN}\n"),
        (f"http://ann:{PASSWORD}:{KEY}@[::1/x", TOKEN),
        (f"http://ann:{PASSWORD}@host:{KEY}/x", TOKEN),
        (f"http://host/x?api_key={KEY}\x7f", TOKEN),
    ],
)
async def test_of_a_request_that_cannot_be_made(url: str, header: str) -> None:
    sent = HttpActivities(SETTINGS, CREDENTIALS).http_request
    assert leaked(await failed(sent, url=url, headers={"Authorization": header})) == set()


@pytest.mark.parametrize("url", [f"ftp://ann:{PASSWORD}@host/x?api_key={KEY}", f"http://ann:{PASSWORD}@h:{KEY}/x"])
async def test_of_a_tool_that_cannot_be_called(url: str) -> None:
    assert leaked(await refused(url, {"X-Api-Key": TOKEN})) == set()


@pytest.mark.parametrize("end", ["hangs", "echoes", "nobody"])
async def test_of_a_tool(ends: dict[str, str], end: str) -> None:
    assert leaked(await refused(with_secrets(ends[end]), {"Authorization": f"Bearer {TOKEN}"})) == set()


async def test_of_a_tool_that_is_answered(ends: dict[str, str]) -> None:
    config = HttpApiConfig.model_construct(
        method="POST", url=with_secrets(ends["refused"]), headers={"X-Api-Key": TOKEN}, timeout_ms=5000
    )
    value = await HttpRequests(SETTINGS, CREDENTIALS).send(config, {}, {}, CALL)
    assert "wrong" in value["body"] and leaked(str(value)) == set()


async def refused(url: str, headers: dict[str, str]) -> str:
    config = HttpApiConfig.model_construct(method="POST", url=url, headers=headers, timeout_ms=500)
    with pytest.raises(ToolError) as caught:
        await HttpRequests(SETTINGS, CREDENTIALS).send(config, {}, {}, CALL)

    async def told(_: object) -> str:
        made = tool_error(caught.value)
        made.__cause__ = caught.value
        return await all_that_is_told(made)

    return await environment().run(told, None)


PROGRAM = "import os, sys; print(dict(os.environ), sys.argv, file=sys.stderr); sys.exit(1)"


@pytest.mark.parametrize("end", [*ENDS, "program", "missing"])
async def test_of_an_mcp_server(ends: dict[str, str], tmp_path: Path, end: str) -> None:
    programs = {"program": sys.executable, "missing": "no-such-program"}
    command = {"args": ["-c", PROGRAM, f"--api-key={KEY}"], "env": {"API_TOKEN": VARIABLE}}
    server: dict[str, Any] = {"headers": {"Authorization": f"Bearer {TOKEN}", "X-Own": TOKEN}}
    if end in programs:
        server = {"command": programs[end], **command}
    else:
        server["url"] = with_secrets(ends[end])
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"one": server}}))
    called = McpActivities(Settings(mcp_servers=file)).call_mcp
    assert leaked(await failed(called, 3.0, server="one", tool="x", arguments={})) == set()


async def test_what_an_mcp_server_says_of_its_own_secrets(tmp_path: Path) -> None:
    said = "from mcp.server.mcpserver import MCPServer\nfrom mcp.server.mcpserver.exceptions import ToolError\n"
    said += "import os\nserver = MCPServer('x')\n@server.tool()\ndef x() -> str:\n"
    said += "    raise ToolError('refused: ' + os.environ['API_TOKEN'])\nserver.run()\n"
    (tmp_path / "server.py").write_text(said)
    command = {"command": sys.executable, "args": [str(tmp_path / "server.py")], "env": {"API_TOKEN": VARIABLE}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"one": command}}))
    called = McpActivities(Settings(mcp_servers=tmp_path / "mcp.json")).call_mcp
    told = await failed(called, 60.0, server="one", tool="x", arguments={})
    assert "refused" in told and leaked(told) == set()
