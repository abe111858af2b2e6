"""Who calls: an API key in ``Authorization: Bearer`` or ``X-API-Key``, and the scopes that it has."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer, SecurityScopes

from api.kit.context import Context
from cairn.domain.keys import authenticate
from cairn.domain.principal import Principal
from cairn.errors import Unauthenticated

api_key_header = APIKeyHeader(name="X-API-Key", scheme_name="ApiKey", description="An API key.", auto_error=False)
bearer_header = HTTPBearer(scheme_name="Bearer", description="An API key as bearer token.", auto_error=False)


def credentials(request: Request) -> str | None:
    """Return the key that a request carries, or None.

    Raises:
        Unauthenticated: it carries two different ones.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    found = {request.headers.get("x-api-key", "").strip(), token.strip() if scheme.lower() == "bearer" else ""} - {""}
    if len(found) > 1:
        raise Unauthenticated("Authorization and X-API-Key carry different keys.")
    return found.pop() if found else None


async def by_api_key(request: Request, context: Context) -> Principal:
    """Authenticate by API key, as every surface does.

    Raises:
        Unauthenticated: no key, or one that is unknown, expired or revoked.
    """
    key = credentials(request)
    if key is None:
        raise Unauthenticated("An API key is required, in X-API-Key or as Authorization: Bearer.")
    return await holder(key, context)


async def holder(key: str, context: Context) -> Principal:
    """Return the holder of an API key.

    Raises:
        Unauthenticated: it is unknown, expired or revoked.
    """
    async with context.database.connection() as connection:
        return await authenticate(connection, context.secret, key)


async def principal(
    request: Request,
    required: SecurityScopes,
    _key: Annotated[str | None, Depends(api_key_header)],
    _bearer: Annotated[object, Depends(bearer_header)],
) -> Principal:
    """Return who calls; the route class has authenticated it, here its scopes are checked.

    Raises:
        Forbidden: a scope is missing.
    """
    found: Principal = request.state.principal
    for scope in required.scopes:
        found.require(scope)
    return found


def may(scope: str) -> Any:
    """Return the dependency that lets pass only keys with the scope."""
    return Security(principal, scopes=[scope])
