"""Administrators: people whose key has one of the scopes that the installation names."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security

from api.kit.auth import principal
from api.kit.context import Context
from cairn.domain.principal import Principal
from cairn.errors import Forbidden


async def administrator(request: Request, caller: Annotated[Principal, Security(principal)]) -> None:
    """Let pass only people who administer the tenant.

    Raises:
        Forbidden: the key is a service's, or has none of the scopes of ``AGENTFLOW_ADMIN_SCOPES``.
    """
    context: Context = request.app.state.context
    scopes = context.settings.agentflow_admin_scopes
    if caller.kind != "human":
        raise Forbidden("Only a person's key may do this, and this one is a service's.", code="not_an_administrator")
    if not any(caller.allows(scope) for scope in scopes):
        raise Forbidden("The API key has no administrator's scope.", extra={"required_scopes": scopes})


ADMINISTRATOR = Depends(administrator)
