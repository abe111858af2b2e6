"""Sub-agents: agents that another agent has."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.agentflow.conventions import Error
from api.agentflow.routes.agents import BUSY, READ, STALE, TAGGED, WRITE, Force, configuration
from api.agentflow.schemas.agents import (
    Agent,
    AgentConfiguration,
    AssignTool,
    CreateAgent,
    SubagentList,
    UpdateAgent,
)
from api.agentflow.schemas.tools import AllTools, Tool
from api.kit.deps import Agents, AgentsToRemove
from api.kit.if_match import IfMatch
from api.kit.links import makes
from api.kit.paging import Paged
from api.kit.route import SurfaceRoute

router = APIRouter(prefix="/api/v1/agent/{agent_id}/subagents", tags=["sub-agents"], route_class=SurfaceRoute)


@router.get("", dependencies=[READ])
async def list_subagents(agent_id: str, agents: Agents, paged: Paged) -> SubagentList:
    """List the sub-agents of an agent, newest first."""
    return SubagentList.of(await agents.list_subagents(agent_id, paged.page, paged.page_size, paged.anchor))


@router.post(
    "",
    status_code=201,
    dependencies=[WRITE],
    responses={409: {"model": Error, "description": "Sub-agents would be more than five levels deep."}},
    openapi_extra=makes("subagent_id"),
)
async def create_subagent(agent_id: str, body: CreateAgent, agents: Agents) -> Agent:
    """Make an agent under another one. One that exists is assigned by `subagents` of the configuration."""
    return Agent.of(await agents.create_subagent(agent_id, body.model_dump(exclude_unset=True)))


@router.get("/{subagent_id}", dependencies=[READ])
async def get_subagent(agent_id: str, subagent_id: str, agents: Agents) -> Agent:
    """Read a sub-agent."""
    return Agent.of(await agents.get_subagent(agent_id, subagent_id))


@router.get("/{subagent_id}/config", dependencies=[READ], responses=TAGGED)
async def get_subagent_config(
    agent_id: str, subagent_id: str, agents: Agents, response: Response
) -> AgentConfiguration:
    """Read the configuration of a sub-agent."""
    return configuration(await agents.get_subagent(agent_id, subagent_id), response)


@router.patch("/{subagent_id}", dependencies=[WRITE], responses=STALE)
async def update_subagent(
    agent_id: str, subagent_id: str, body: UpdateAgent, agents: Agents, expected: IfMatch
) -> Agent:
    """Change what is given of a sub-agent's configuration."""
    revision = body.revision if expected is None else expected
    return Agent.of(await agents.change(agent_id, body.patch, revision, subagent=subagent_id))


@router.delete("/{subagent_id}", status_code=204, dependencies=[WRITE], responses=BUSY)
async def delete_subagent(agent_id: str, subagent_id: str, agents: AgentsToRemove, force: Force = False) -> None:
    """Delete a sub-agent. One that stands by itself, or that another agent has too, is only taken off this agent."""
    await agents.remove_subagent(agent_id, subagent_id, force=force)


@router.get("/{subagent_id}/tools", dependencies=[READ])
async def list_subagent_tools(agent_id: str, subagent_id: str, agents: Agents) -> AllTools:
    """List the tools of a sub-agent, all at once: an agent has 128 at most."""
    return AllTools.of(await agents.tools_of(agent_id, subagent_id))


@router.post(
    "/{subagent_id}/tools",
    status_code=201,
    dependencies=[WRITE],
    responses={409: {"model": Error, "description": "It has the tool already."}},
    openapi_extra=makes("tool", "name"),
)
async def assign_subagent_tool(agent_id: str, subagent_id: str, body: AssignTool, agents: Agents) -> Tool:
    """Give a tool to a sub-agent."""
    return Tool.of(await agents.assign_tool(agent_id, subagent_id, body.tool, body.require_approval))


@router.delete("/{subagent_id}/tools/{tool}", status_code=204, dependencies=[WRITE])
async def remove_subagent_tool(agent_id: str, subagent_id: str, tool: str, agents: Agents) -> None:
    """Take a tool from a sub-agent."""
    await agents.remove_tool(agent_id, subagent_id, tool)


@router.get("/{subagent_id}/available-tools", dependencies=[READ])
async def list_available_tools(agent_id: str, subagent_id: str, agents: Agents) -> AllTools:
    """List the tools of the agent that the sub-agent has not."""
    return AllTools.of(await agents.available_tools(agent_id, subagent_id))
