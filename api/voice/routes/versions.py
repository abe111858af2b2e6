"""Versions of workflows: check, publish, draft, history."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.kit.auth import may
from api.kit.deps import Graphs
from api.kit.links import makes
from api.kit.route import SurfaceRoute
from api.voice.schemas.validation import Validation
from api.voice.schemas.versions import Version, VersionList
from api.voice.schemas.workflows import Workflow

router = APIRouter(prefix="/api/v1/workflow/{workflow_id}", tags=["versions"], route_class=SurfaceRoute)
READ, WRITE = may("graphs:read"), may("graphs:write")


@router.post("/validate", dependencies=[READ])
async def validate_workflow(workflow_id: str, graphs: Graphs) -> Validation:
    """Check the current definition; nothing is changed."""
    return Validation.of(await graphs.validate(workflow_id))


@router.post(
    "/publish",
    dependencies=[WRITE],
    responses={400: {"description": "There is no draft."}, 422: {"description": "The draft is not valid."}},
)
async def publish_workflow(workflow_id: str, graphs: Graphs) -> Workflow:
    """Publish the draft. Executions that run stay on their version."""
    return Workflow.of(await graphs.publish(workflow_id))


@router.post("/create-draft", dependencies=[WRITE], openapi_extra=makes("version", "version_number"))
async def create_draft(workflow_id: str, graphs: Graphs) -> Workflow:
    """Make a draft of the published version; one that exists is returned as it is."""
    return Workflow.of(await graphs.create_draft(workflow_id))


@router.get(
    "/versions",
    dependencies=[READ],
    openapi_extra=makes("version", "versions/0/version", a="versions/1/version", b="versions/0/version"),
)
async def list_versions(
    workflow_id: str,
    graphs: Graphs,
    limit: Annotated[int, Query(ge=1, le=100, description="Versions at most.")] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="Versions before the first.")] = 0,
    anchor: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="`anchor` of the first page.")] = None,
) -> VersionList:
    """List the versions of a workflow, newest first."""
    return VersionList.of(await graphs.versions(workflow_id, limit, offset, anchor))


@router.get("/versions/{version}", dependencies=[READ])
async def get_version(workflow_id: str, version: str, graphs: Graphs) -> Version:
    """Read a version with its definition, by its number."""
    return Version.of(await graphs.version(workflow_id, version))
