"""The services that only this surface's handlers call."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from api.kit.context import Context
from api.kit.deps import Graphs
from api.kit.unit_of_work import Unit
from cairn.domain.credentials import CredentialService
from cairn.domain.principal import Principal
from cairn.domain.templates import TemplateService
from cairn.domain.tools.authored import ToolService
from cairn.temporal.writing import GraphWriter


async def credential_service(request: Request, unit: Unit) -> CredentialService:
    """Return the caller's credentials."""
    context: Context = request.app.state.context
    return CredentialService(unit.session, request.state.principal.scope, context.sealer)


async def tool_service(request: Request, unit: Unit) -> ToolService:
    """Return the caller's tools."""
    context: Context = request.app.state.context
    caller: Principal = request.state.principal
    return ToolService(unit.session, caller.scope, caller.author, context.tools)


async def template_service(request: Request, graphs: Graphs) -> TemplateService:
    """Return what makes graphs of templates for the caller."""
    context: Context = request.app.state.context
    writer = GraphWriter(context.temporal.client, context.settings)
    return TemplateService(graphs, writer, request.state.principal)


Credentials = Annotated[CredentialService, Depends(credential_service)]
Templates = Annotated[TemplateService, Depends(template_service)]
Tools = Annotated[ToolService, Depends(tool_service)]
