"""Tools that are tried or looked at before there are any: payloads of the workflows and activities for that."""

from __future__ import annotations

from pydantic import BaseModel

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.json import Json, JsonObject

TRY_TOOL_WORKFLOW_TYPE = "TryTool"
DESCRIBE_MCP_TOOL_WORKFLOW_TYPE = "DescribeMcpTool"


class ToolTrial(BaseModel):
    """Argument of the ``TryTool`` workflow and of its activity.

    Attributes:
        tenant: whose turn it takes.
        code: Python source that defines ``run(**arguments)``.
        arguments: of ``run``.
        timeout: seconds that it may run.
    """

    tenant: str
    code: str
    arguments: JsonObject
    timeout: float


class TrialError(BaseModel):
    """Why code came to no result.

    Attributes:
        type: class of the exception, or ``timeout``, ``memory_limit``, ``invalid_result``, ``sandbox_crashed``.
        line: of the code.
    """

    type: str
    message: str
    line: int | None = None


class Tried(BaseModel):
    """Result of the workflow and of its activity.

    Attributes:
        stdout: what the code printed, cut.
        memory_bytes: the most memory that it used; None where the sandbox does not tell.
    """

    result: Json = None
    error: TrialError | None = None
    stdout: str = ""
    duration_ms: float
    memory_bytes: int | None = None


class McpToolRef(BaseModel):
    """Argument of the ``DescribeMcpTool`` workflow and of its activity.

    Attributes:
        tenant: whose turn it takes.
    """

    tenant: str
    server: str
    tool: str


class McpToolDescription(BaseModel):
    """Result of the workflow and of its activity: what the server says of a tool."""

    description: str = ""
    args_schema: JsonObject


TRY_TOOL = ActivityRef("try_tool", ToolTrial, Tried)
DESCRIBE_MCP_TOOL = ActivityRef("describe_mcp_tool", McpToolRef, McpToolDescription)
