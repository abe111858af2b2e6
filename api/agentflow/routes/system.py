"""Whether the API lives and can serve; needs no key."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.agentflow import checks
from api.agentflow.schemas.system import Health, Readiness, Status
from api.kit.route import PublicRoute
from cairn import __version__

router = APIRouter(tags=["system"], route_class=PublicRoute)


@router.get("/")
async def status() -> Status:
    """Say that the API answers."""
    return Status(name="cairn", version=__version__)


@router.get("/health")
async def health(request: Request) -> Health:
    """Describe this API process: uptime and memory."""
    return await checks.health(request.app.state.context)


@router.get("/ready", responses={503: {"model": Readiness, "description": "Something needed is down."}})
async def ready(request: Request, response: Response) -> Readiness:
    """Say whether database, Temporal and workers answer."""
    found = await checks.readiness(request.app.state.context)
    if found.status != "ready":
        response.status_code = 503
    return found
