"""Workflows: list, read, make, change, copy, file."""

from __future__ import annotations

from fastapi import APIRouter, Request

from api.kit.auth import may
from api.kit.deps import Graphs
from api.kit.links import makes
from api.kit.route import SurfaceRoute
from api.voice.schemas.workflows import (
    CreateWorkflow,
    MoveWorkflow,
    SavedWorkflow,
    StatusFilter,
    UpdateStatus,
    UpdateWorkflow,
    Workflow,
    WorkflowCount,
    WorkflowList,
    WorkflowName,
    WorkflowSummary,
)

router = APIRouter(prefix="/api/v1/workflow", tags=["workflows"], route_class=SurfaceRoute)
READ, WRITE = may("graphs:read"), may("graphs:write")


@router.get("/fetch", dependencies=[READ])
async def fetch_workflows(
    request: Request, graphs: Graphs, status: StatusFilter = "active"
) -> WorkflowList | list[WorkflowSummary]:
    """List workflows, newest first; under `/dograh`, as its clients want it, the bare array."""
    rows = [WorkflowSummary.model_validate(graph) for graph in await graphs.list(status)]
    return rows if getattr(request.state, "view", "") == "dograh" else WorkflowList(workflows=rows)


@router.get("/fetch/{workflow_id}", dependencies=[READ])
async def fetch_workflow(workflow_id: str, graphs: Graphs) -> Workflow:
    """Read a workflow by its id or uuid."""
    return Workflow.of(await graphs.get(workflow_id))


@router.get("/count", dependencies=[READ])
async def count_workflows(graphs: Graphs) -> WorkflowCount:
    """Count workflows."""
    return WorkflowCount.model_validate(await graphs.count())


@router.get("/summary", dependencies=[READ])
async def summarize_workflows(graphs: Graphs, status: StatusFilter = "active") -> list[WorkflowName]:
    """List ids and names of workflows, newest first."""
    return [WorkflowName(id=number, name=name) for number, name in await graphs.names(status)]


@router.post(
    "/create/definition",
    dependencies=[WRITE],
    openapi_extra=makes("workflow_id", version="version_number", trigger_path="trigger_paths/0"),
)
async def create_workflow(body: CreateWorkflow, graphs: Graphs) -> SavedWorkflow:
    """Make a workflow. Valid, its version 1 is published at once; else it is a draft, and `errors` say why."""
    return SavedWorkflow.of(await graphs.create(body.name, body.definition, body.whole_configuration))


@router.put(
    "/{workflow_id}",
    dependencies=[WRITE],
    responses={409: {"description": "It is not at the expected version or revision."}},
)
async def update_workflow(workflow_id: str, body: UpdateWorkflow, graphs: Graphs) -> SavedWorkflow:
    """Change a workflow. A definition makes or replaces the draft; what is published stays as it is."""
    changed = await graphs.update(
        workflow_id,
        name=body.name,
        definition=body.definition,
        configuration=body.configuration,
        lasting=body.lasting,
        expected_version=body.expected_version,
        expected_revision=body.expected_revision,
    )
    return SavedWorkflow.of(changed)


@router.put(
    "/{workflow_id}/status",
    dependencies=[WRITE],
    responses={422: {"description": "Nothing is published, and the draft is not valid."}},
)
async def update_status(workflow_id: str, body: UpdateStatus, graphs: Graphs) -> Workflow:
    """Archive a workflow: nothing new is started, what runs goes on. Or make it active again."""
    return Workflow.of(await graphs.set_status(workflow_id, body.status))


@router.put("/{workflow_id}/folder", dependencies=[WRITE])
async def move_workflow(workflow_id: str, body: MoveWorkflow, graphs: Graphs) -> Workflow:
    """Put a workflow into a folder, or out of all."""
    return Workflow.of(await graphs.move(workflow_id, body.folder_id))


@router.post("/{workflow_id}/duplicate", dependencies=[WRITE], openapi_extra=makes("workflow_id"))
async def duplicate_workflow(workflow_id: str, graphs: Graphs) -> SavedWorkflow:
    """Make a copy, which is a draft: of the draft, else of what is published. Its triggers have new paths."""
    return SavedWorkflow.of(await graphs.duplicate(workflow_id))
