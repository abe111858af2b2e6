"""Skills: folders of instructions and files that agents load when they need them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from api.agentflow.deps import Skills
from api.agentflow.schemas.skills import Skill, SkillList
from api.kit.auth import may
from api.kit.deps import Agents
from api.kit.links import lists
from api.kit.paging import PageNumber, PageSize
from api.kit.route import SurfaceRoute
from cairn.domain.skills import PATH

router = APIRouter(prefix="/api/v1/skills", tags=["skills"], route_class=SurfaceRoute)
of_agents = APIRouter(prefix="/api/v1/agent/{agent_id}/skills", tags=["skills"], route_class=SurfaceRoute)
READ, READ_AGENTS = may("skills:read"), may("agents:read")
_ANY: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, with its own type.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}
# A page of a skill that a browser is led to is shown, and does nothing.
_HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}


@router.get("", dependencies=[READ], openapi_extra=lists("skill_name", "skills", "name"))
async def list_skills(skills: Skills, page: PageNumber = 1, page_size: PageSize = 20) -> SkillList:
    """List the skills of the installation by name, which are the same for all tenants, with their files."""
    return SkillList.of(await skills.all(), page, page_size)


@router.get("/{skill_name}", dependencies=[READ])
async def get_skill(skill_name: str, skills: Skills) -> Skill:
    """Read a skill with its instructions."""
    return Skill.of(await skills.get(skill_name))


@router.get("/{skill_name}/content", response_class=Response, dependencies=[READ], responses=_ANY)
async def get_skill_content(
    skill_name: str,
    skills: Skills,
    path: Annotated[
        str, Query(max_length=1024, pattern=f"^{PATH}$", description="One of the skill's `files`, from its folder.")
    ] = "SKILL.md",
) -> Response:
    """Read a file of a skill, of any size: a text or bytes, with its type."""
    file = await skills.open(skill_name, path)
    headers = {"Content-Length": str(file.size), **_HARMLESS}
    return StreamingResponse(file.chunks(), headers=headers, media_type=file.type)


@of_agents.get("", dependencies=[READ, READ_AGENTS])
async def list_agent_skills(
    agent_id: str, agents: Agents, skills: Skills, page: PageNumber = 1, page_size: PageSize = 20
) -> SkillList:
    """List the skills that an agent's configuration names, by name; under `skipped` those that are none."""
    named = (await agents.get(agent_id)).config.skills
    return SkillList.of(await skills.assigned(named), page, page_size)
