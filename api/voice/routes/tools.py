"""Tools that nodes of calls name by uuid: those that authors make, and those of the installation."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.kit.auth import may
from api.kit.links import makes
from api.kit.route import SurfaceRoute
from api.voice.deps import Tools
from api.voice.schemas.tools import ArchivedTool, CreateTool, Tool
from cairn.domain.tools.authored.model import ToolCategory

router = APIRouter(prefix="/api/v1/tools", tags=["tools"], route_class=SurfaceRoute)

_STATUS = r"^(active|archived|draft)(,(active|archived|draft))*$"


@router.get("/", dependencies=[may("graphs:read")])
async def list_tools(
    tools: Tools,
    status: Annotated[
        str, Query(pattern=_STATUS, description="`active`, `archived`, `draft` (none is), or several with commas.")
    ] = "active",
    category: ToolCategory | None = None,
) -> list[Tool]:
    """List tools: those of authors, newest first, then those of the installation."""
    return [Tool.model_validate(each) for each in await tools.list(status.split(","), category)]


@router.post(
    "/",
    dependencies=[may("graphs:write")],
    responses={404: {"description": "The credential that it names does not exist."}},
    openapi_extra=makes("tool_uuid", "tool_uuid"),
)
async def create_tool(body: CreateTool, tools: Tools) -> Tool:
    """Make a tool: an HTTP request or a calculator. Nodes name it in `tool_uuids`."""
    made = await tools.create(
        body.name,
        body.definition.model_dump(),
        description=body.description,
        icon=body.icon,
        icon_color=body.icon_color,
    )
    return Tool.model_validate(made)


@router.get("/{tool_uuid}", dependencies=[may("graphs:read")])
async def get_tool(tool_uuid: str, tools: Tools) -> Tool:
    """Read a tool, also an archived one."""
    return Tool.model_validate(await tools.get(tool_uuid))


@router.delete("/{tool_uuid}", dependencies=[may("graphs:write")])
async def archive_tool(tool_uuid: str, tools: Tools) -> ArchivedTool:
    """Take an author's tool out of use; models are not offered it any more."""
    return ArchivedTool(tool_uuid=(await tools.archive(tool_uuid)).uuid)
