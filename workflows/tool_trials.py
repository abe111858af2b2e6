"""Code of a tool is tried, or a tool of an MCP server looked at: one activity, which its caller waits for."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from cairn.contracts.tool_trials import (
    DESCRIBE_MCP_TOOL,
    DESCRIBE_MCP_TOOL_WORKFLOW_TYPE,
    TRY_TOOL,
    TRY_TOOL_WORKFLOW_TYPE,
    McpToolDescription,
    McpToolRef,
    ToolTrial,
    Tried,
)

_HEARTBEAT = timedelta(seconds=30)
_PROMPT = timedelta(seconds=10)
"""Who waits for a trial waits little longer than the code may take: a worker that died is to be noticed before."""
_GRACE = 30
_LOOK = timedelta(seconds=20)
_RETRY = RetryPolicy(maximum_attempts=3)


@workflow.defn(name=TRY_TOOL_WORKFLOW_TYPE)
class TryTool:
    """Runs the code once; it touches nothing outside, so that a worker that dies costs another try."""

    @workflow.run
    async def run(self, trial: ToolTrial) -> Tried:
        """Return what came of it."""
        return await workflow.execute_activity(
            TRY_TOOL.name,
            trial,
            result_type=TRY_TOOL.output,
            start_to_close_timeout=timedelta(seconds=trial.timeout + _GRACE),
            heartbeat_timeout=_PROMPT,
            retry_policy=_RETRY,
            summary="dry run",
        )


@workflow.defn(name=DESCRIBE_MCP_TOOL_WORKFLOW_TYPE)
class DescribeMcpTool:
    """Asks an MCP server what a tool of it is."""

    @workflow.run
    async def run(self, asked: McpToolRef) -> McpToolDescription:
        """Return what the server says."""
        return await workflow.execute_activity(
            DESCRIBE_MCP_TOOL.name,
            asked,
            result_type=DESCRIBE_MCP_TOOL.output,
            schedule_to_close_timeout=_LOOK,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
            summary=f"{asked.server}: {asked.tool}",
        )
