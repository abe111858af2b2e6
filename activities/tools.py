"""The activity that runs a tool."""

from __future__ import annotations

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failures import node_error
from activities.guard import guard, heartbeating
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import RUN_TOOL, NodeCall, NodeResult
from cairn.domain.tools import ToolContext, ToolError, ToolRegistry
from cairn.domain.tools.authored import Toolbox


def tool_context(call: NodeCall, *, idempotency_suffix: str = "", attempt: int | None = None) -> ToolContext:
    """Return what a tool may know of the call.

    Args:
        call: the node's call.
        idempotency_suffix: tells apart the several calls that one node makes.
        attempt: which try it is; None: the activity's own.
    """
    return ToolContext(
        idempotency_key=call.idempotency_key + idempotency_suffix,
        execution_id=call.execution_id,
        tenant=call.tenant,
        live=call.live,
        node_id=call.node_id,
        visit=call.visit,
        lineage=call.lineage,
        attempt=attempt or activity.info().attempt,
        given=call.data.get("given"),
        approved=bool(call.data.get("approved")),
    )


class ToolActivities:
    """Runs the tools of a registry."""

    def __init__(self, tools: ToolRegistry, toolbox: Toolbox | None = None) -> None:
        """Take the installation's tools, and where those of authors are."""
        self._tools = tools
        self._toolbox = toolbox

    @activity.defn(name=RUN_TOOL.name)
    async def run_tool(self, call: NodeCall) -> NodeResult:
        """Run one tool and return its result.

        Raises:
            ApplicationError: ``unknown_tool``, ``invalid_arguments`` (both not retryable), ``tool_error``, or the code
                of the tool's own :class:`ToolError`.
        """
        guard(call)
        async with heartbeating():
            name = str(call.data["tool"])
            tools = await self._toolbox.registry_for(call.tenant, call.live, name) if self._toolbox else self._tools
            return await _call(tools, call, tool_context(call))

    async def run_repeatable(self, call: NodeCall, attempt: int) -> NodeResult:
        """Run one of the installation's tools inside of a segment, which heartbeats for it.

        Raises:
            ApplicationError: as of ``run_tool``; ``not_repeatable``: the tool may not be called again, whatever its
                node says.
        """
        name = str(call.data["tool"])
        if name in self._tools and not self._tools.get(name).repeatable:
            message = f"Tool {name!r} does not declare that it may be called again, so no segment may hold it"
            raise node_error("not_repeatable", message, retryable=False)
        return await _call(self._tools, call, tool_context(call, attempt=attempt))


async def _call(tools: ToolRegistry, call: NodeCall, context: ToolContext) -> NodeResult:
    arguments: JsonObject = call.data.get("arguments") or {}
    return NodeResult(value=await run_tool(tools, call.data["tool"], arguments, context))


async def run_tool(tools: ToolRegistry, name: str, arguments: JsonObject, context: ToolContext) -> Json:
    """Call a tool. Raises as ``ToolActivities.run_tool``."""
    try:
        return await tools.get(name).run(arguments, context)
    except ApplicationError:
        raise
    except ToolError as error:
        raise tool_error(error) from error
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        message = f"Tool {name!r} failed with {cause}"
        raise node_error("tool_error", message, retryable=True, cause=cause) from error


def tool_error(error: ToolError) -> ApplicationError:
    """Return a tool's own error in the form that the workflow reads."""
    cause = None if error.__cause__ is None else str(error.__cause__)
    return node_error(error.code, error.message, retryable=error.retryable, cause=cause)
