"""What the call of a tool that agents name does, by its kind."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

from cairn.contracts.json import Json, JsonObject
from cairn.domain.tools.authored.definition import HttpApiConfig
from cairn.domain.tools.authored.request import HttpRequests
from cairn.domain.tools.authored.spec import PLACEHOLDER, HttpCall, McpCall, ToolSpec
from cairn.domain.tools.tool import InvalidArguments, Tool, ToolContext, ToolError
from cairn.providers.mcp import McpConfigError, McpFailure, UnknownServer, call_tool, find_server
from cairn.providers.sandbox import CodeFailure, Program, Sandbox, SandboxMissing, value_of
from cairn.settings import Settings

# No parameter can have this name.
CALL = "the call"


class NamedCalls:
    """Makes tools of what is said of them."""

    def __init__(self, settings: Settings, requests: HttpRequests, sandbox: Sandbox) -> None:
        """Take what sends requests, what runs code, and where MCP servers are configured."""
        self._settings = settings
        self._requests = requests
        self._sandbox = sandbox

    def tool(self, spec: ToolSpec) -> Tool:
        """Return the tool, which refuses a call that nobody has approved where somebody has to."""

        async def run(**arguments: Json) -> Json:
            call: ToolContext = arguments.pop(CALL)
            if spec.require_approval and not call.approved:
                message = f"A person has to approve calls of {spec.name!r}: the node has to say so in require_approval"
                raise ToolError(message, retryable=False, code="approval_required")
            return await self._run(spec, arguments, call)

        return Tool(spec.name, spec.description, spec.args_schema, run, None, CALL)

    async def _run(self, spec: ToolSpec, arguments: JsonObject, call: ToolContext) -> Json:
        if spec.http is not None:
            return await self._send(spec.http, spec.execution_timeout, arguments, call)
        if spec.mcp is not None:
            return await self._ask(spec.mcp, spec.execution_timeout, arguments, call)
        return await self._execute(spec, arguments)

    async def _execute(self, spec: ToolSpec, arguments: JsonObject) -> Json:
        try:
            program = Program(spec.function_code or "", [], arguments)
            return value_of(await self._sandbox.run(program, spec.execution_timeout))
        except SandboxMissing as error:
            raise ToolError(str(error), retryable=False, code="sandbox_missing") from error
        except CodeFailure as error:
            said = f"{error.message} ({error.trace})" if error.trace else error.message
            raise ToolError(said, retryable=error.code == "sandbox_crashed", code=error.code) from error

    async def _send(self, http: HttpCall, seconds: int, arguments: JsonObject, call: ToolContext) -> Json:
        placed = set(PLACEHOLDER.findall(http.url))
        config = HttpApiConfig.model_construct(
            method=http.method,
            url=PLACEHOLDER.sub(lambda each: _part(each, arguments), http.url),
            headers=http.headers,
            credential_uuid=http.auth_ref,
            timeout_ms=seconds * 1000,
        )
        left = {name: value for name, value in arguments.items() if name not in placed}
        try:
            async with asyncio.timeout(seconds):
                return await self._requests.send(config, left, {}, call)
        except TimeoutError as error:
            raise ToolError("The server did not answer in time.", code="timeout") from error

    async def _ask(self, mcp: McpCall, seconds: int, arguments: JsonObject, call: ToolContext) -> Json:
        try:
            # The file is read anew, so that a server can be added while workers run.
            server = await asyncio.to_thread(find_server, self._settings, mcp.server)
            return await call_tool(server, mcp.tool, arguments, seconds=seconds, idempotency_key=call.idempotency_key)
        except UnknownServer as error:
            raise ToolError(str(error), retryable=False, code="unknown_server") from error
        except McpConfigError as error:
            raise ToolError(str(error), retryable=False, code="mcp_config") from error
        except McpFailure as error:
            raise ToolError(error.message, retryable=error.retryable, code=error.code) from error


def _part(placeholder: re.Match[str], arguments: JsonObject) -> str:
    """Return an argument as a part of a URL: it stays one part of it, whatever it holds."""
    name = placeholder.group(1)
    value = arguments[name]
    if isinstance(value, bool):
        value = str(value).lower()
    text = str(value) if isinstance(value, str | int | float) else ""
    if text in ("", ".", ".."):
        raise InvalidArguments(f"The argument {name!r} cannot be a part of the URL")
    return quote(text, safe="")
