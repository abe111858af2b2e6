"""Makes the application of one surface: errors in its shape, its OpenAPI document, the body limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from api.kit.body_limit import BodyLimit
from api.kit.openapi import METHODS, surface_document
from api.kit.route import respond
from api.kit.surface import Surface
from cairn import __version__
from cairn.errors import CairnError


def surface_app(surface: Surface, routers: Sequence[APIRouter], body_limit: int) -> FastAPI:
    """Return the application of a surface.

    Its ``state.context`` is set by whoever starts it: an application that is called by another has no lifespan.

    Args:
        surface: what is particular to it.
        routers: its routes, with their full documented paths.
        body_limit: bytes a body may have; more is a 413.
    """
    app = FastAPI(
        title=surface.title,
        version=__version__,
        description=surface.description,
        openapi_url=None,
        redirect_slashes=False,
        strict_content_type=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.surface = surface
    app.add_middleware(BodyLimit, limit=body_limit)
    for router in routers:
        app.include_router(router)
    for kind in (CairnError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _on_error)
    app.openapi = lambda: surface_document(app, surface)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == 405:
        error.headers = {"Allow": ", ".join(_methods_at(request))}
    return respond(request, error)


def _methods_at(request: Request) -> list[str]:
    """All methods of the path; the router knows only those of the first route that has it."""
    document: dict[str, Any] = request.app.openapi()
    path = request.scope["path"]
    items = [item for template, item in document["paths"].items() if compile_path(template)[0].match(path)]
    # Literal paths stand before those with parameters, so the first is the one that would be served.
    return [method.upper() for method in METHODS for item in items[:1] if method in item]
