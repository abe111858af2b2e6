"""Capabilities of agents: they retrieve, plan and reflect, each time as an execution."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.agentflow.conventions import Error
from api.agentflow.deps import CapabilitiesOfAgents
from api.agentflow.schemas.capabilities import Plan, PlanRequest, Reflection, ReflectRequest, Retrieved, RetrieveRequest
from api.kit.auth import may
from api.kit.deps import Executions
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from cairn.domain.capabilities import Capabilities, Outcome
from cairn.domain.executions.service import ExecutionService
from cairn.persistence.tables import ExecutionRow

router = APIRouter(prefix="/api/v1/agent/{agent_id}/capability", tags=["capabilities"], route_class=SurfaceRoute)
RUN = may("agents:run")
RUNS: dict[int | str, dict[str, Any]] = {
    409: {
        "model": Error,
        "description": "The agent is archived (`workflow_archived`), the execution was cancelled "
        "(`capability_cancelled`), or no key for the model is kept (`llm_key_missing`).",
    },
    502: {"model": Error, "description": "It fails; `code` says how."},
    503: {
        "model": Error,
        "description": "It takes longer (`capability_running`), or something needed does not answer.",
    },
}
ASKS: dict[int | str, dict[str, Any]] = {
    **RUNS,
    403: {"model": Error, "description": "A scope is missing, or the model is not allowed (`model_not_allowed`)."},
}


@router.post("/retrieve", dependencies=[RUN], responses=RUNS)
async def retrieve(
    agent_id: str, body: RetrieveRequest, capabilities: CapabilitiesOfAgents, executions: Executions, unit: Unit
) -> Retrieved:
    """Search what the agent is given to read, the files of its skills and its prompt blocks, for words of a query."""
    row = await capabilities.create(agent_id, body.asked(), unit.resource_id)
    return Retrieved.of(await executed(row, capabilities, executions, unit))


@router.post("/plan", dependencies=[RUN], responses=ASKS)
async def plan(
    agent_id: str, body: PlanRequest, capabilities: CapabilitiesOfAgents, executions: Executions, unit: Unit
) -> Plan:
    """Have the agent's model break a goal down into steps, which the agent's tools can do where they can."""
    row = await capabilities.create(agent_id, body.asked(), unit.resource_id)
    return Plan.of(await executed(row, capabilities, executions, unit))


@router.post("/reflect", dependencies=[RUN], responses=ASKS)
async def reflect(
    agent_id: str, body: ReflectRequest, capabilities: CapabilitiesOfAgents, executions: Executions, unit: Unit
) -> Reflection:
    """Have the agent's model judge a content by criteria, and say what is wrong with it and how to mend it."""
    row = await capabilities.create(agent_id, body.asked(), unit.resource_id)
    return Reflection.of(await executed(row, capabilities, executions, unit))


async def executed(row: ExecutionRow, capabilities: Capabilities, executions: ExecutionService, unit: Unit) -> Outcome:
    """Have the execution run, and return what comes of it."""
    await unit.commit(resource_id=row.id)
    await executions.start(row)
    return await capabilities.outcome(row)
