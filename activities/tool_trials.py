"""The activities that try a tool's code, and that look at the tools of MCP servers."""

from __future__ import annotations

import asyncio
import re
from time import perf_counter

from temporalio import activity

from activities.failures import node_error
from activities.guard import PROMPT, heartbeating
from cairn.contracts.tool_trials import (
    DESCRIBE_MCP_TOOL,
    TRY_TOOL,
    McpToolDescription,
    McpToolRef,
    ToolTrial,
    TrialError,
    Tried,
)
from cairn.providers.mcp import McpConfigError, McpFailure, UnknownServer, describe_tool, find_server
from cairn.providers.sandbox import CodeFailure, Observed, Program, Sandbox, SandboxMissing, value_of
from cairn.settings import Settings

_MCP_SECONDS = 15.0
_RAISED = re.compile(r"(\w+)(?:: (.*))?", re.DOTALL)


class TrialActivities:
    """Tries code in the sandbox of an installation, and asks its MCP servers."""

    def __init__(self, settings: Settings, sandbox: Sandbox) -> None:
        self._settings = settings
        self._sandbox = sandbox

    @activity.defn(name=TRY_TOOL.name)
    async def try_tool(self, trial: ToolTrial) -> Tried:
        """Run the code once; that it fails is a result.

        Raises:
            ApplicationError: ``sandbox_missing``, not retryable.
        """
        observed, began = Observed(), perf_counter()
        result, error = None, None
        async with heartbeating(PROMPT):
            try:
                program = Program(trial.code, [], trial.arguments)
                result = value_of(await self._sandbox.run(program, trial.timeout, observed))
            except SandboxMissing as missing:
                raise node_error("sandbox_missing", str(missing), retryable=False) from missing
            except CodeFailure as failure:
                error = _told(failure)
        duration = round((perf_counter() - began) * 1000, 3)
        return Tried(
            result=result,
            error=error,
            stdout=observed.stdout,
            duration_ms=duration,
            memory_bytes=observed.memory_bytes,
        )

    @activity.defn(name=DESCRIBE_MCP_TOOL.name)
    async def describe_mcp_tool(self, asked: McpToolRef) -> McpToolDescription:
        """Ask the server what the tool is.

        Raises:
            ApplicationError: ``unknown_server``, ``unknown_tool``, ``mcp_config``, or as of ``call_mcp``.
        """
        async with heartbeating():
            try:
                server = await asyncio.to_thread(find_server, self._settings, asked.server)
                description, schema = await describe_tool(server, asked.tool, seconds=_MCP_SECONDS)
            except UnknownServer as error:
                raise node_error("unknown_server", str(error), retryable=False) from error
            except McpConfigError as error:
                raise node_error("mcp_config", str(error), retryable=False) from error
            except McpFailure as error:
                raise node_error(error.code, error.message, retryable=error.retryable) from error
        return McpToolDescription(description=description, args_schema=schema)


def _told(failure: CodeFailure) -> TrialError:
    """Return what went wrong: of code that raised the exception and the last line of it on the way."""
    if failure.code != "code_error":
        return TrialError(type=failure.code, message=failure.message)
    raised = _RAISED.match(failure.message)
    lines = re.findall(r"^line (\d+),", failure.trace or "", re.MULTILINE)
    return TrialError(
        type=raised[1] if raised else failure.code,
        message=(raised[2] or "") if raised else failure.message,
        line=int(lines[-1]) if lines else None,
    )
