"""The services that handlers call, each made for the request's caller and in its transaction."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from api.kit.unit_of_work import Unit
from cairn.domain.executions.resets import ResetService
from cairn.domain.executions.service import ExecutionService
from cairn.domain.graphs.service import GraphService
from cairn.domain.principal import Principal


def execution_service(request: Request, unit: Unit) -> ExecutionService:
    """Return the caller's executions."""
    context = request.app.state.context
    return ExecutionService(unit.session, context.temporal, request.state.principal, context.settings)


def reset_service(executions: Annotated[ExecutionService, Depends(execution_service)]) -> ResetService:
    """Return the resets of the caller's executions."""
    return ResetService(executions)


def graph_service(request: Request, unit: Unit) -> GraphService:
    """Return the caller's graphs."""
    caller: Principal = request.state.principal
    return GraphService(unit.session, caller.scope, caller.author, request.app.state.context.validation)


Executions = Annotated[ExecutionService, Depends(execution_service)]
Resets = Annotated[ResetService, Depends(reset_service)]
Graphs = Annotated[GraphService, Depends(graph_service)]
