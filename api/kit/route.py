"""Route classes: what every request of a surface goes through, so that handlers are only parse, call, return."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from api.kit.context import Context
from api.kit.idempotency import HEADER, idempotency_key, once
from api.kit.json_body import JsonRequest, is_json
from api.kit.problem import problem_of
from api.kit.surface import Surface
from api.kit.unit_of_work import UnitOfWork
from cairn.domain.keys import KeyService
from cairn.domain.principal import Principal
from cairn.errors import CairnError, RateLimited
from cairn.observability import bound, get_logger

Handler = Callable[[Request], Awaitable[Response]]
_log = get_logger("cairn.api")


def respond(request: Request, error: Exception) -> Response:
    """Return the answer to an error, in the surface's shape; what is our own fault is logged with its trace."""
    surface: Surface = request.app.state.surface
    problem = problem_of(error, request.state.request_id)
    if problem.status == 500:
        _log.error("request failed", exc_info=error)
    elif problem.status > 500:
        _log.warning("request could not be served", code=problem.code, detail=problem.message)
    return JSONResponse(surface.render(problem), problem.status, dict(problem.headers))


class PublicRoute(APIRoute):
    """A route without a key: strict JSON, errors in the surface's shape."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Wrap FastAPI's handler."""
        parse_and_call = super().get_route_handler()

        async def inner(request: Request) -> Response:
            self._require_json(request)
            return await parse_and_call(request)

        async def handle(request: Request) -> Response:
            request = JsonRequest(request.scope, request.receive)
            try:
                return await self.serve(request, inner)
            except Exception as error:
                return respond(request, error)

        return handle

    def _require_json(self, request: Request) -> None:
        content_type = request.headers.get("content-type")
        if self.body_field is not None and content_type is not None and not is_json(content_type):
            raise HTTPException(415, "The body must be sent as application/json.")

    async def serve(self, request: Request, inner: Handler) -> Response:
        """Answer the request."""
        return await inner(request)


class SurfaceRoute(PublicRoute):
    """A route with a key: authentication, rate limit, one transaction, idempotent POST."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "POST" in (options.get("methods") or ()):
            options["dependencies"] = [*(options.get("dependencies") or ()), Depends(idempotency_key)]
        super().__init__(path, endpoint, **options)

    async def serve(self, request: Request, inner: Handler) -> Response:
        """Answer the request of an authenticated caller."""
        context: Context = request.app.state.context
        surface: Surface = request.app.state.surface
        principal = await surface.authenticate(request, context)
        request.state.principal, request.state.tenant = principal, principal.tenant
        quota = await context.limiter.hit(surface.rate_limit, surface.name, principal.key_id)
        if quota.retry_after is not None:
            response = respond(request, RateLimited("Too many requests.", retry_after=quota.retry_after))
        else:
            with bound(tenant=principal.tenant, **_ids(request)):
                response = await _transact(request, context, principal, inner)
        response.headers.update(quota.headers)
        if response.background is None:
            response.background = BackgroundTask(_note_use, context, principal.key_id)
        return response


def _ids(request: Request) -> dict[str, str]:
    """Return what the log lines of a request name besides the caller."""
    return {name: value for name, value in request.path_params.items() if name == "execution_id"}


async def _transact(request: Request, context: Context, principal: Principal, inner: Handler) -> Response:
    if request.method == "POST" and HEADER in request.headers:
        return await once(request, context.database, principal, inner, respond)
    try:
        async with context.database.session() as session:
            request.state.unit = UnitOfWork(session)
            response = await inner(request)
            await session.commit()
            return response
    except Exception as error:
        return respond(request, error)


async def _note_use(context: Context, key_id: str) -> None:
    """Keep that a key was used; once a minute and process, for on SQLite it takes the one lock of all writers.

    The reply has been sent: a database that does not answer now loses the note and nothing else.
    """
    if context.key_uses.get(key_id, 0.0) < monotonic() - 60:
        context.key_uses[key_id] = monotonic()
        with contextlib.suppress(CairnError):
            async with context.database.transaction() as session:
                await KeyService(session, context.secret).note_use(key_id)
