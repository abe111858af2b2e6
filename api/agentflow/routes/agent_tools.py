"""Tools of agents: made, generated, tried, kept, approved, run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from api.agentflow.conventions import Error
from api.agentflow.deps import Authoring, Runs, ToolsOfAgents
from api.agentflow.schemas.tools import (
    ChangeTool,
    ConfigureApproval,
    ConfiguredApproval,
    CreateTool,
    DryRunResult,
    DryRunTool,
    GeneratedTool,
    GenerateTool,
    PersistTool,
    RunTool,
    Tool,
    ToolList,
    ToolRunResult,
)
from api.kit.auth import may
from api.kit.deps import Agents, Executions
from api.kit.links import makes
from api.kit.paging import PageNumber, PageSize
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from cairn.domain.agents.model import ToolFilter, ToolKind
from cairn.domain.tools.authored import read_spec

router = APIRouter(prefix="/api/v1/agent/{agent_id}/tools", tags=["tools"], route_class=SurfaceRoute)
READ, WRITE, CALL, RUN = may("agents:read"), may("agents:write"), may("llm:call"), may("executions:write")
Responses = dict[int | str, dict[str, Any]]
TAKEN: Responses = {409: {"model": Error, "description": "There is a tool of this name (`tool_exists`)."}}
WORKERS: Responses = {
    502: {"model": Error, "description": "A model, a sandbox or an MCP server fails; `code` says how."},
    503: {"model": Error, "description": "No worker comes to it in time, or something needed does not answer."},
}


async def tool_filter(
    status: Annotated[Literal["active", "draft"], Query(description="Drafts, or all others.")] = "active",
    kind: ToolKind | None = None,
    tag: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
) -> ToolFilter:
    """Return what the query asks for; all filters hold at once."""
    return ToolFilter(status, kind, tag)


Filtered = Annotated[ToolFilter, Depends(tool_filter)]


@router.get("", dependencies=[READ])
async def list_tools(
    agent_id: str, tools: ToolsOfAgents, which: Filtered, page: PageNumber = 1, page_size: PageSize = 20
) -> ToolList:
    """List the tools of an agent in the order in which it was given them, or its drafts, newest first."""
    return ToolList.of([*await tools.list(agent_id, which)], page, page_size)


@router.post(
    "",
    status_code=201,
    dependencies=[WRITE],
    responses={**TAKEN, **WORKERS},
    openapi_extra=makes("tool", "name", tool_id="id"),
)
async def register_tool(
    agent_id: str, body: CreateTool, tools: ToolsOfAgents, authoring: Authoring, agents: Agents, unit: Unit
) -> Tool:
    """Make a tool and give it to the agent. It is the tenant's: other agents may be given it by its name."""
    await agents.get(agent_id)
    if body.kind == "builtin":
        return Tool.of(await tools.give(agent_id, body.name))
    values = body.values
    if (asked := body.to_describe) is not None:
        await unit.commit()  # no transaction stays open while a server is asked
        values = {**await authoring.describe(asked, unit.operation_key), **values}
    return Tool.of(await tools.register(agent_id, read_spec(values)))


@router.post(
    "/generate",
    status_code=201,
    dependencies=[WRITE, CALL],
    responses=WORKERS,
    openapi_extra=makes("tool", "draft_id"),
)
async def generate_tool(
    agent_id: str, body: GenerateTool, authoring: Authoring, agents: Agents, unit: Unit
) -> GeneratedTool:
    """Have a model write a tool, by the default model of the use case `tools`, and keep it as a draft for 30 days."""
    await agents.get(agent_id)
    await unit.commit()  # no transaction stays open while a model writes
    return GeneratedTool.of(await authoring.generate(agent_id, body.description, body.examples, unit.operation_key))


@router.post("/dry-run", dependencies=[WRITE], responses=WORKERS)
async def dry_run_tool(agent_id: str, body: DryRunTool, authoring: Authoring, unit: Unit) -> DryRunResult:
    """Run code in the sandbox, once, and tell what came of it. Nothing is kept."""
    trial = await authoring.prepare(agent_id, body.asked())
    await unit.commit()  # no transaction stays open while it runs
    return DryRunResult.of(await authoring.run(trial, unit.operation_key))


@router.post("/persist", status_code=201, dependencies=[WRITE], responses=TAKEN, openapi_extra=makes("tool", "name"))
async def persist_tool(agent_id: str, body: PersistTool, tools: ToolsOfAgents, authoring: Authoring) -> Tool:
    """Make a draft, or code, a tool of the agent; of a name that the agent has, the next version of that tool."""
    spec = await authoring.spec_to_persist(agent_id, body.given, body.draft_id)
    return Tool.of(await tools.persist(agent_id, spec, body.draft_id))


@router.get("/{tool}", dependencies=[READ])
async def get_tool(agent_id: str, tool: str, tools: ToolsOfAgents) -> Tool:
    """Read a tool of an agent, or a draft by its id."""
    return Tool.of(await tools.get(agent_id, tool))


@router.patch(
    "/{tool}",
    dependencies=[WRITE],
    responses={409: {"model": Error, "description": "The tool is the installation's (`builtin_tool`)."}},
)
async def change_tool(agent_id: str, tool: str, body: ChangeTool, tools: ToolsOfAgents) -> Tool:
    """Change a tool that was made over the API, for all agents that have it. Calls from now on go by it."""
    return Tool.of(await tools.change(agent_id, tool, body.patch))


@router.delete("/{tool}", status_code=204, dependencies=[WRITE])
async def remove_tool(agent_id: str, tool: str, tools: ToolsOfAgents) -> None:
    """Take a tool from the agent, or delete a draft. A made tool that no agent has any more is out of use."""
    await tools.remove(agent_id, tool)


@router.put(
    "/{tool}/approval",
    dependencies=[WRITE],
    responses={409: {"model": Error, "description": "The tool itself requires approval (`approval_required`)."}},
)
async def configure_tool_approval(
    agent_id: str, tool: str, body: ConfigureApproval, tools: ToolsOfAgents
) -> ConfiguredApproval:
    """Say whether a person has to approve calls of the tool by this agent, who, and in what time."""
    return ConfiguredApproval.of(await tools.configure_approval(agent_id, tool, body.approval()))


@router.post("/{tool}/run", dependencies=[RUN], responses=WORKERS)
async def run_tool(
    agent_id: str, tool: str, body: RunTool, runs: Runs, executions: Executions, unit: Unit
) -> ToolRunResult:
    """Call a tool of the agent once, as an execution of its own, and wait up to two minutes for what comes of it.

    Where a person has to approve the call, the reply names the approval; its answer lets the execution go on.
    """
    row = await runs.create(agent_id, tool, body.arguments, body.conversation_id, unit.resource_id)
    await unit.commit(resource_id=row.id)
    await executions.start(row)
    return ToolRunResult.of(await runs.outcome(row))
