"""Agents: list, make, read, configure, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from api.agentflow.conventions import Error
from api.agentflow.schemas.agents import (
    Agent,
    AgentConfiguration,
    AgentList,
    AgentStatistics,
    CreateAgent,
    UpdateAgent,
)
from api.kit.auth import may
from api.kit.deps import Agents, AgentsToRemove
from api.kit.if_match import IfMatch
from api.kit.links import makes
from api.kit.paging import Paged
from api.kit.route import SurfaceRoute
from cairn.domain.agents import AgentFilter, model
from cairn.domain.agents.config import Status

router = APIRouter(prefix="/api/v1", tags=["agents"], route_class=SurfaceRoute)
READ, WRITE = may("agents:read"), may("agents:write")
Responses = dict[int | str, dict[str, Any]]
STALE: Responses = {
    409: {"model": Error, "description": "Another revision; or sub-agents that make a cycle or are too deep."}
}
BUSY: Responses = {409: {"model": Error, "description": "It has executions that have not ended."}}
TAGGED: Responses = {
    200: {"headers": {"ETag": {"description": "The revision, for `If-Match`.", "schema": {"type": "string"}}}}
}
Text = Annotated[str | None, Query(min_length=1, max_length=255)]
Force = Annotated[bool, Query(description="Cancel its executions that have not ended.")]


async def agent_filter(
    status: Annotated[Status | None, Query()] = None,
    category: Text = None,
    model: Annotated[str | None, Query(min_length=1, max_length=255, description="As the list shows it.")] = None,
    search: Annotated[str | None, Query(min_length=1, max_length=255, description="Part of the name.")] = None,
    include_subagents: Annotated[bool, Query(description="Also agents that were made under another one.")] = False,
) -> AgentFilter:
    """Return what the query asks for; all filters hold at once."""
    return AgentFilter(status, category, model, search, include_subagents)


Filtered = Annotated[AgentFilter, Depends(agent_filter)]


@router.get("/agents/stats", response_model=AgentStatistics, dependencies=[READ])
async def get_agent_statistics(agents: Agents) -> model.AgentStatistics:
    """Count agents, and their executions of the last 24 hours."""
    return await agents.statistics()


@router.get("/agents", dependencies=[READ])
async def list_agents(agents: Agents, which: Filtered, paged: Paged) -> AgentList:
    """List agents, newest first."""
    return AgentList.of(await agents.list(which, paged.page, paged.page_size, paged.anchor))


@router.post("/agents", status_code=201, dependencies=[WRITE], openapi_extra=makes("agent_id"))
async def create_agent(body: CreateAgent, agents: Agents) -> Agent:
    """Make an agent. Its workflow is published at once, so that it can run."""
    return Agent.of(await agents.create(body.model_dump(exclude_unset=True)))


@router.get("/agent/{agent_id}", dependencies=[READ])
async def get_agent(agent_id: str, agents: Agents) -> Agent:
    """Read an agent."""
    return Agent.of(await agents.get(agent_id))


@router.delete("/agent/{agent_id}", status_code=204, dependencies=[WRITE], responses=BUSY)
async def delete_agent(agent_id: str, agents: AgentsToRemove, force: Force = False) -> None:
    """Delete an agent, and the sub-agents that were made under it unless another agent has them too.

    Its executions can be read as before.
    """
    await agents.remove(agent_id, force=force)


@router.get("/agent/{agent_id}/config", dependencies=[READ], responses=TAGGED)
async def get_agent_config(agent_id: str, agents: Agents, response: Response) -> AgentConfiguration:
    """Read the configuration of an agent."""
    return configuration(await agents.get(agent_id), response)


@router.patch("/agent/{agent_id}/config", dependencies=[WRITE], responses={**TAGGED, **STALE})
async def update_agent_config(
    agent_id: str, body: UpdateAgent, agents: Agents, expected: IfMatch, response: Response
) -> AgentConfiguration:
    """Change what is given. New runs of the agent go by it; those that run already stay as they are."""
    revision = body.revision if expected is None else expected
    return configuration(await agents.change(agent_id, body.patch, revision), response)


def configuration(agent: model.Agent, response: Response) -> AgentConfiguration:
    """Return the configuration of an agent, with its revision as the response's ``ETag``."""
    response.headers["ETag"] = f'"{agent.revision}"'
    return AgentConfiguration.of(agent)
