"""Workflows: list, read, make, change, check, publish."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.kit.auth import may
from api.kit.deps import Graphs
from api.kit.route import SurfaceRoute
from api.voice.schemas.validation import Validation
from api.voice.schemas.workflows import (
    CreateWorkflow,
    SavedWorkflow,
    StatusFilter,
    UpdateWorkflow,
    Workflow,
    WorkflowList,
    WorkflowSummary,
)

router = APIRouter(prefix="/api/v1/workflow", tags=["workflows"], route_class=SurfaceRoute)


@router.get("/fetch", dependencies=[may("graphs:read")])
async def fetch_workflows(
    request: Request, graphs: Graphs, status: Annotated[StatusFilter, Query()] = "active"
) -> WorkflowList | list[WorkflowSummary]:
    """List workflows, newest first; under `/dograh`, as its clients want it, the bare array."""
    rows = [WorkflowSummary.model_validate(graph) for graph in await graphs.list(status)]
    return rows if getattr(request.state, "view", "") == "dograh" else WorkflowList(workflows=rows)


@router.get("/fetch/{workflow_id}", dependencies=[may("graphs:read")])
async def fetch_workflow(workflow_id: str, graphs: Graphs) -> Workflow:
    """Read a workflow by its id or uuid."""
    return Workflow.of(await graphs.get(workflow_id))


@router.post("/create/definition", dependencies=[may("graphs:write")])
async def create_workflow(body: CreateWorkflow, graphs: Graphs) -> SavedWorkflow:
    """Make a workflow. Valid, its version 1 is published at once; else it is a draft, and `errors` say why."""
    return SavedWorkflow.of(await graphs.create(body.name, body.definition, body.configuration))


@router.put(
    "/{workflow_id}",
    dependencies=[may("graphs:write")],
    responses={409: {"description": "It is not at the expected version."}},
)
async def update_workflow(workflow_id: str, body: UpdateWorkflow, graphs: Graphs) -> SavedWorkflow:
    """Change a workflow. A definition makes or replaces the draft; what is published stays as it is."""
    changed = await graphs.update(
        workflow_id,
        name=body.name,
        definition=body.definition,
        configuration=body.configuration,
        expected_version=body.expected_version,
    )
    return SavedWorkflow.of(changed)


@router.post("/{workflow_id}/validate", dependencies=[may("graphs:read")])
async def validate_workflow(workflow_id: str, graphs: Graphs) -> Validation:
    """Check the current definition; nothing is changed."""
    return Validation.of(await graphs.validate(workflow_id))


@router.post(
    "/{workflow_id}/publish",
    dependencies=[may("graphs:write")],
    responses={400: {"description": "There is no draft."}, 422: {"description": "The draft is not valid."}},
)
async def publish_workflow(workflow_id: str, graphs: Graphs) -> Workflow:
    """Publish the draft. Executions that run stay on their version."""
    return Workflow.of(await graphs.publish(workflow_id))
