"""The activity that calls a tool of an MCP server."""

from __future__ import annotations

import asyncio

from temporalio import activity

from activities.failures import node_error
from activities.guard import guard, heartbeating
from cairn.contracts.nodes import CALL_MCP, NodeCall, NodeResult
from cairn.providers.mcp import McpConfigError, McpFailure, UnknownServer, call_tool, find_server
from cairn.settings import Settings

_TIMEOUT = 300.0


class McpActivities:
    """Calls the servers that an installation configured; each call has a session of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @activity.defn(name=CALL_MCP.name)
    async def call_mcp(self, call: NodeCall) -> NodeResult:
        """Call a tool and return its result: its structured content, else its text, else its content blocks.

        Raises:
            ApplicationError: retryable: ``tool_error`` (the tool says that it failed), ``connection_error``,
                ``timeout``, ``mcp_error``; not retryable: ``unknown_server``, ``unknown_tool``,
                ``invalid_arguments``, ``invalid_reply``, ``mcp_unauthorized``, ``mcp_config``.
        """
        guard(call)
        async with heartbeating():
            try:
                return await self._call(call)
            except UnknownServer as error:
                raise node_error("unknown_server", str(error), retryable=False) from error
            except McpConfigError as error:
                raise node_error("mcp_config", str(error), retryable=False) from error
            except McpFailure as error:
                raise node_error(error.code, error.message, retryable=error.retryable) from error

    async def _call(self, call: NodeCall) -> NodeResult:
        # The file is read anew, so that a server can be added while workers run.
        server = await asyncio.to_thread(find_server, self._settings, call.data["server"])
        value = await call_tool(
            server,
            call.data["tool"],
            call.data.get("arguments") or {},
            seconds=call.timeout or _TIMEOUT,
            idempotency_key=call.idempotency_key,
        )
        return NodeResult(value=value)
