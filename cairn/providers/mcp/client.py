"""Calls of tools with the official client: one session a call, over stdio or streamable HTTP."""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import httpx2

from cairn.contracts.json import Json, JsonObject, parse
from cairn.observability.redaction import hidden
from cairn.providers.http import open_client
from cairn.providers.mcp.servers import McpConfigError, Server, StdioServer
from cairn.providers.mcp.stderr import logged

if TYPE_CHECKING:
    from mcp import Client, StdioServerParameters
    from mcp.types import CallToolResult, Tool

RESULT_LIMIT = 10 * 1024 * 1024
"""Bytes of a result's JSON."""

_STDIO_CHILD = Path(__file__).with_name("stdio_child.py")
_CONNECT_TIMEOUT = 10.0
_TRANSIENT = frozenset({408, 425, 429})
_IDEMPOTENCY = "cairn/idempotency-key"


class McpFailure(Exception):
    """A call did not come to a result.

    Attributes:
        code: ``unknown_tool``, ``invalid_arguments``, ``invalid_reply``, ``tool_error``, ``connection_error``,
            ``timeout``, ``mcp_unauthorized`` or ``mcp_error``.
        message: for the graph's author.
        retryable: whether another try may help.
    """

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


async def call_tool(server: Server, tool: str, arguments: JsonObject, *, seconds: float, idempotency_key: str) -> Json:
    """Return a tool's result: its structured content, else its text, else its content blocks.

    Args:
        server: to connect to; the session is closed, and a program stopped, before this returns.
        tool: its name.
        arguments: by name.
        seconds: for all of it.
        idempotency_key: sent along as ``_meta``.

    Raises:
        McpFailure: see its codes.
        McpConfigError: the server's program is not there.
    """
    replies: list[int] = []
    # The library takes a second to import, which must not hold up the worker's event loop.
    await asyncio.to_thread(importlib.import_module, "mcp.client.streamable_http")
    try:
        async with asyncio.timeout(seconds), _connected(server, seconds, replies) as client:
            result = await _call(client, tool, arguments, idempotency_key)
    except Exception as error:
        raise _failure(error, replies, server.secrets) from None  # what it says would stand in history as the cause
    return _value(result)


async def describe_tool(server: Server, tool: str, *, seconds: float) -> tuple[str, JsonObject]:
    """Return the description of a tool, and the schema of its arguments. Arguments and errors as of ``call_tool``."""
    replies: list[int] = []
    await asyncio.to_thread(importlib.import_module, "mcp.client.streamable_http")
    try:
        async with asyncio.timeout(seconds), _connected(server, seconds, replies) as client:
            found = await _require_tool(client, tool)
    except Exception as error:
        raise _failure(error, replies, server.secrets) from None  # what it says would stand in history as the cause
    return found.description or "", found.input_schema


@asynccontextmanager
async def _connected(server: Server, seconds: float, replies: list[int]) -> AsyncGenerator[Client]:
    """Open a session; the statuses of an HTTP server's replies are noted."""
    from mcp import Client
    from mcp.client.stdio import stdio_client
    from mcp.client.streamable_http import streamable_http_client

    if isinstance(server, StdioServer):
        started = _started(server)
        async with logged(server.command, server.secrets) as stderr, Client(stdio_client(started, stderr)) as client:
            yield client
        return

    async def note(response: httpx2.Response) -> None:
        replies.append(response.status_code)

    # The operator chose the address, so it may be a private one.
    timeout = httpx2.Timeout(seconds, connect=_CONNECT_TIMEOUT)
    async with open_client(allow_private=True, timeout=timeout) as http:
        http.headers.update(server.headers)
        http.event_hooks = {"response": [note]}
        async with Client(streamable_http_client(server.url, http_client=http)) as client:
            yield client


def _started(server: StdioServer) -> StdioServerParameters:
    from mcp import StdioServerParameters

    command = shutil.which(server.command)
    if command is None:
        raise McpConfigError(f"The program of the MCP server is not there: {server.command}")
    arguments = ["-I", str(_STDIO_CHILD), str(os.getpid()), command, *server.args]
    return StdioServerParameters(command=sys.executable, args=arguments, env=server.env, cwd=server.cwd)


async def _call(client: Client, tool: str, arguments: JsonObject, idempotency_key: str) -> CallToolResult:
    from mcp import MCPError
    from mcp.types import INVALID_PARAMS, METHOD_NOT_FOUND

    try:
        result = await client.call_tool(tool, arguments, meta={_IDEMPOTENCY: idempotency_key})  # pyright: ignore
    except MCPError as error:
        if error.code in (INVALID_PARAMS, METHOD_NOT_FOUND):
            await _require_tool(client, tool)
            raise McpFailure("invalid_arguments", error.message, retryable=False) from error
        raise
    if result.is_error:
        await _require_tool(client, tool)
        raise McpFailure("tool_error", _text(result) or f"The tool {tool!r} failed", retryable=True)
    return result


async def _require_tool(client: Client, tool: str) -> Tool:
    """Return what the server says of a tool: a call of one that there is none of, servers refuse in several ways."""
    found: dict[str, Tool] = {}
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        found |= {each.name: each for each in page.tools}
        cursor = page.next_cursor
        if cursor is None:
            break
    if tool not in found:
        raise McpFailure(
            "unknown_tool",
            f"The MCP server has no tool {tool!r}; there are: {', '.join(sorted(found))}",
            retryable=False,
        )
    return found[tool]


def _value(result: CallToolResult) -> Json:
    told = result.model_dump_json(by_alias=True, exclude_none=True)
    if len(told) > RESULT_LIMIT:
        raise McpFailure("invalid_reply", f"The result has more than {RESULT_LIMIT} bytes", retryable=False)
    try:
        value: JsonObject = parse(told)
    except ValueError as error:
        raise McpFailure("invalid_reply", f"The result cannot be recorded: {error}", retryable=False) from error
    if "structuredContent" in value:
        return value["structuredContent"]
    blocks: list[JsonObject] = value["content"]
    if len(blocks) == 1 and blocks[0]["type"] == "text":
        return blocks[0]["text"]
    return blocks


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


def _failure(error: Exception, replies: list[int], secrets: Collection[str]) -> McpFailure | McpConfigError:
    """Return what to raise for an error of a session, without the server's secrets."""
    failure = _kind_of(error, replies)
    said = hidden(str(failure), secrets)
    if isinstance(failure, McpConfigError):
        return McpConfigError(said)
    return McpFailure(failure.code, said, retryable=failure.retryable)


def _kind_of(error: Exception, replies: list[int]) -> McpFailure | McpConfigError:
    """Return the failure that an error of a session is; task groups wrap errors in groups."""
    from mcp import MCPError
    from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

    cause = next(_leaves(error))
    status = replies[-1] if replies else 0
    told = cause.message if isinstance(cause, MCPError) else f"{type(cause).__name__}: {cause}"
    if isinstance(cause, McpFailure | McpConfigError):
        return cause
    if status in (401, 403):
        return McpFailure("mcp_unauthorized", f"The MCP server replied with status {status}", retryable=False)
    if status >= 400:
        again = status >= 500 or status in _TRANSIENT
        return McpFailure("mcp_error", f"The MCP server replied with status {status}: {told}", retryable=again)
    if isinstance(cause, TimeoutError | httpx2.TimeoutException) or _says(cause, REQUEST_TIMEOUT):
        return McpFailure("timeout", "The MCP server did not answer in time", retryable=True)
    if isinstance(cause, OSError | httpx2.TransportError) or _says(cause, CONNECTION_CLOSED):
        return McpFailure("connection_error", f"The MCP server cannot be reached, or broke off: {told}", retryable=True)
    return McpFailure("mcp_error", f"The MCP server failed: {told}", retryable=True)


def _says(error: BaseException, code: int) -> bool:
    from mcp import MCPError

    return isinstance(error, MCPError) and error.code == code


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in a group of errors, or the one error."""
    if isinstance(error, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(each)
    else:
        yield error
