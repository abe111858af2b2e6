"""The client side of tools that are tried or looked at: start, wait for so long, say what went wrong."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from cairn.contracts.tool_trials import (
    DESCRIBE_MCP_TOOL_WORKFLOW_TYPE,
    TRY_TOOL_WORKFLOW_TYPE,
    McpToolDescription,
    McpToolRef,
    ToolTrial,
    Tried,
)
from cairn.errors import BadGateway, CairnError, FieldError, InvalidInput, Unavailable
from cairn.settings import Settings
from cairn.temporal.connection import RETRY_AFTER, RPC_TIMEOUT, answered
from cairn.temporal.model_work import ModelWork, failure_code

_TRIAL = ModelWork(TRY_TOOL_WORKFLOW_TYPE, "try-tool", Tried, timedelta(hours=1), "a dry run of a tool")
_LOOK = ModelWork(
    DESCRIBE_MCP_TOOL_WORKFLOW_TYPE,
    "describe-mcp-tool",
    McpToolDescription,
    timedelta(minutes=5),
    "a look at a tool of an MCP server",
)
_GRACE, _LOOK_SECONDS = 15.0, 25.0
_UNKNOWN = {
    "unknown_server": ("/mcp/server", "No such server is configured"),
    "unknown_tool": ("/mcp/tool", "The server has no such tool"),
}
_FAILURES = {
    "sandbox_missing": "The workers have no sandbox: the operator has to install one.",
    "connection_error": "The MCP server cannot be reached.",
    "mcp_config": "The MCP server is not set up as it should be.",
    "mcp_unauthorized": "The MCP server refuses the installation.",
    "mcp_error": "The MCP server failed.",
    "timeout": "The MCP server did not answer in time.",
}
Result = TypeVar("Result", bound=BaseModel)


class ToolTrialClient:
    """Lets workers try tools."""

    def __init__(self, client: Client, settings: Settings) -> None:
        """Take the process's client."""
        self._client = client
        self._settings = settings

    async def run(self, trial: ToolTrial, key: str | None = None) -> Tried:
        """Return what comes of some code.

        Args:
            trial: the code.
            key: names the wish over all tries of one request: a later try finds what an earlier one began.

        Raises:
            BadGateway: the workers have no sandbox.
            Unavailable: no worker came to it in time, or Temporal is away.
        """
        handle = await _TRIAL.start(self._client, self._settings, trial, trial.tenant, _TRIAL.id_of(trial.tenant, key))
        return await _result(handle, trial.timeout + _GRACE)

    async def describe(self, asked: McpToolRef, key: str | None = None) -> McpToolDescription:
        """Return what an MCP server says of a tool of its; ``key`` as of :meth:`run`.

        Raises:
            InvalidInput: there is no such server, or it has no such tool.
            BadGateway: the server fails.
            Unavailable: as of :meth:`run`.
        """
        handle = await _LOOK.start(self._client, self._settings, asked, asked.tenant, _LOOK.id_of(asked.tenant, key))
        return await _result(handle, _LOOK_SECONDS)


async def _result(handle: WorkflowHandle[Any, Result], seconds: float) -> Result:
    try:
        async with asyncio.timeout(seconds):
            return await handle.result()
    except TimeoutError:
        await answered(handle.cancel(rpc_timeout=RPC_TIMEOUT))
        raise Unavailable("No worker has come to it in time.", code="timeout", retry_after=RETRY_AFTER) from None
    except WorkflowFailureError as error:
        raise _failure(failure_code(error, "trial_failed")) from error
    except RPCError as error:
        raise Unavailable("Temporal does not answer.", retry_after=RETRY_AFTER) from error


def _failure(code: str) -> CairnError:
    if code in _UNKNOWN:
        return InvalidInput("The tool is not valid.", errors=[FieldError(*_UNKNOWN[code])], code="invalid_tool")
    return BadGateway(_FAILURES.get(code, f"The worker could not do it ({code})."), code=code)
