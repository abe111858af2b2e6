"""An execution as a picture."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.kit.auth import may
from api.kit.deps import Executions
from api.kit.picture import PICTURE, PictureFormat, picture
from api.kit.route import SurfaceRoute
from api.omium.refusals import NOT_STARTED
from cairn.domain.diagrams import draw_execution

router = APIRouter(prefix="/api/v1/executions", tags=["executions"], route_class=SurfaceRoute)


@router.get(
    "/{execution_id}/diagram",
    dependencies=[may("executions:read")],
    response_class=Response,
    responses={**PICTURE, **NOT_STARTED},
)
async def get_execution_diagram(execution_id: str, executions: Executions, form: PictureFormat = "svg") -> Response:
    """Draw the graph that the execution runs, with the way it has taken, times, and its checkpoints."""
    return picture(await draw_execution(executions, execution_id, form), form)
