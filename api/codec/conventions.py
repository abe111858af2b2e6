"""What is particular to the codec server: who may call it, from which pages, and what errors look like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Security
from fastapi.security import SecurityScopes
from pydantic import BaseModel, Field
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from api.kit.auth import api_key_header, bearer_header, credentials, holder
from api.kit.context import Context
from api.kit.problem import Problem
from api.kit.route import PublicRoute
from api.kit.surface import Surface
from cairn.contracts.json import JsonObject
from cairn.domain.principal import Principal
from cairn.errors import Forbidden, Unauthenticated
from cairn.settings import Settings

COOKIE = "cairn_codec"
"""Carries an operator's API key from the Web UI's pages, which can send no header of their own."""


class Error(BaseModel):
    """Any error."""

    code: str = Field(description="What is wrong, for a program.")
    message: str = Field(description="What is wrong, for a person.")
    request_id: str = Field(description="Id of the request, as in the header X-Request-ID and in the log.")


def render(problem: Problem) -> JsonObject:
    """Return the body of an error."""
    return {"code": problem.code, "message": problem.message, "request_id": problem.request_id}


async def by_operators_key(request: Request, context: Context) -> Principal:
    """Authenticate by the API key of a header, else of the cookie that the sign-in page sets.

    Raises:
        Unauthenticated: no key, or one that is unknown, expired or revoked.
    """
    key = credentials(request) or request.cookies.get(COOKIE)
    if key is None:
        raise Unauthenticated("Sign in at /codec, or send an API key in X-API-Key or as Authorization: Bearer.")
    return await holder(key, context)


def require_named(principal: Principal, scope: str) -> None:
    """Refuse a key that does not name the scope.

    ``*`` does not stand for it: that is all of one tenant's data, and a codec server shows payloads of every tenant.

    Raises:
        Forbidden: the key does not name it.
    """
    if scope not in principal.scopes:
        raise Forbidden(f"The API key must name the scope {scope}; * does not include it.")


async def _operator(
    request: Request,
    required: SecurityScopes,
    _key: str | None = Security(api_key_header),
    _bearer: object = Security(bearer_header),
) -> None:
    for scope in required.scopes:
        require_named(request.state.principal, scope)


def operator_may(scope: str) -> Any:
    """Return the dependency that lets pass only keys that name the scope."""
    return Security(_operator, scopes=[scope])


class OperatorRoute(PublicRoute):
    """A route for operators: a key, but no transaction, and nothing of what is shown is kept for repeated requests."""

    async def serve(self, request: Request, inner: Callable[[Request], Awaitable[Response]]) -> Response:
        """Answer the request of an authenticated caller."""
        surface: Surface = request.app.state.surface
        request.state.principal = await surface.authenticate(request, request.app.state.context)
        return await inner(request)


def allow_origins(app: FastAPI, settings: Settings) -> FastAPI:
    """Let pages of the Temporal Web UI call the surface, with cookies."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.codec_origins or web_ui_origins(settings),
        allow_credentials=True,
        allow_methods=["POST"],
        allow_headers=["Authorization", "Authorization-Extras", "Content-Type", "X-API-Key", "X-Namespace"],
    )
    return app


def web_ui_origins(settings: Settings) -> list[str]:
    """Return the origins of the Web UI: the configured one, else the dev server's under both names of this machine."""
    if settings.temporal_ui_url:
        url = urlsplit(settings.temporal_ui_url)
        return [f"{url.scheme}://{url.netloc}"]
    return [f"http://{host}:{settings.temporal_ui_port}" for host in ("127.0.0.1", "localhost")]


CODEC = Surface(
    name="codec",
    title="Cairn codec server",
    description="Temporal's codec server protocol: decrypts payloads, and fetches large ones, for operators.",
    authenticate=by_operators_key,
    render=render,
    problem=Error,
    validation_problem=Error,
)
