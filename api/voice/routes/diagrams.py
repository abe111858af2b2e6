"""A workflow as a picture."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.kit.auth import may
from api.kit.picture import PICTURE, PictureFormat, picture
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from cairn.domain.diagrams import draw_definition
from cairn.domain.graphs.named import version_named

router = APIRouter(prefix="/api/v1/workflow", tags=["diagrams"], route_class=SurfaceRoute)
_VERSION = "A version's number, `draft` or `published`; without it, the draft if there is one, else what is published."


@router.get("/{workflow_id}/diagram", dependencies=[may("graphs:read")], response_class=Response, responses=PICTURE)
async def get_workflow_diagram(
    workflow_id: str,
    unit: Unit,
    request: Request,
    form: PictureFormat = "svg",
    version: Annotated[str | None, Query(max_length=20, description=_VERSION)] = None,
) -> Response:
    """Draw a version, be it valid or not, as SVG or as Mermaid's text."""
    found = await version_named(unit.session, request.state.principal.scope, workflow_id, version)
    await unit.commit()  # no connection to the database is held while a picture is laid out
    title = f"workflow {found.graph_id}, version {found.version}"
    return picture(await draw_definition(found.definition, title, form), form)
