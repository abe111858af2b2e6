"""The report of a workflow's completed runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from api.kit.auth import may
from api.kit.context import Context
from api.kit.route import SurfaceRoute
from api.kit.timestamps import UtcQuery
from api.kit.unit_of_work import Unit
from cairn.domain.reports import Period, call_report

router = APIRouter(prefix="/api/v1/workflow", tags=["reports"], route_class=SurfaceRoute)
_HEADERS = {"Content-Disposition": {"description": "The file's name.", "schema": {"type": "string"}}}


@router.get(
    "/{workflow_id}/report",
    dependencies=[may("executions:read")],
    response_class=Response,
    responses={
        200: {
            "description": "The report.",
            "headers": _HEADERS,
            "content": {"text/csv": {"schema": {"type": "string"}}},
        }
    },
)
async def get_workflow_report(
    workflow_id: str,
    unit: Unit,
    request: Request,
    start_date: Annotated[UtcQuery | None, Query(description="Runs that were started at this time or later.")] = None,
    end_date: Annotated[UtcQuery | None, Query(description="Runs that were started before this time.")] = None,
) -> Response:
    """Download the completed runs as CSV, newest first, with a column for each variable that calls have extracted.

    Of a run that is no call only its ids and time are known. `Transcript URL` is the call's execution, which shows what
    was said. `Recording URL` is empty: sound stays with the gateway. Summary and tags are written by `qa` nodes.
    """
    context: Context = request.app.state.context
    scope, period = request.state.principal.scope, Period(start_date, end_date)
    report = await call_report(unit.session, context.database, scope, workflow_id, period, context.settings.links)
    name = f'attachment; filename="workflow_{report.graph_id}_report.csv"'
    return StreamingResponse(report.chunks, media_type="text/csv", headers={"Content-Disposition": name})
