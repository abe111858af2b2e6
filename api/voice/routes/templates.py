"""Templates: list, copy, and let a model write a graph from a description."""

from __future__ import annotations

from fastapi import APIRouter

from api.kit.auth import may
from api.kit.links import makes
from api.kit.route import SurfaceRoute
from api.kit.unit_of_work import Unit
from api.voice.deps import Templates
from api.voice.schemas.templates import CreateFromDescription, DuplicateTemplate, Template
from api.voice.schemas.workflows import SavedWorkflow
from cairn.domain.templates import templates as builtin

router = APIRouter(prefix="/api/v1/workflow", tags=["templates"], route_class=SurfaceRoute)


@router.get("/templates", dependencies=[may("graphs:read")])
async def list_templates() -> list[Template]:
    """List the templates that come with the installation."""
    return [Template.model_validate(template) for template in builtin()]


@router.post(
    "/templates/duplicate",
    dependencies=[may("graphs:write")],
    responses={404: {"description": "There is no such template."}},
    openapi_extra=makes("workflow_id"),
)
async def duplicate_template(body: DuplicateTemplate, templates: Templates) -> SavedWorkflow:
    """Make a workflow that is a copy of a template; it is published at once, its triggers get paths of their own."""
    return SavedWorkflow.of(await templates.duplicate(body.template_id, body.name))


@router.post(
    "/create/template",
    dependencies=[may("graphs:write")],
    responses={
        502: {"description": "The model cannot be used or failed; `code` says how."},
        503: {"description": "It takes too long, or something does not answer. Send it again with an Idempotency-Key."},
    },
    openapi_extra=makes("workflow_id"),
)
async def create_from_description(body: CreateFromDescription, templates: Templates, unit: Unit) -> SavedWorkflow:
    """Let the deployment's model write a workflow. What it cannot repair makes a draft, and `errors` say why.

    Without a model (`CAIRN_DEFAULT_MODEL=offline`) the nearest template is filled with the description.
    """
    await unit.commit()  # no transaction stays open while a model writes
    return SavedWorkflow.of(await templates.write(body.name, body.template_description, unit.operation_key))
