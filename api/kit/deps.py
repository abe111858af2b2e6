"""The services that handlers call, each made for the request's caller and in its transaction.

By coroutine functions, though they wait for nothing: FastAPI runs any other in a thread.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from api.kit.context import Context
from api.kit.unit_of_work import Unit
from cairn.domain.agents import AgentRemoval, AgentService
from cairn.domain.executions.resets import ResetService
from cairn.domain.executions.service import ExecutionService
from cairn.domain.executions.story import TokenFeed
from cairn.domain.folders import FolderService
from cairn.domain.graphs.service import GraphService
from cairn.domain.principal import Principal
from cairn.domain.requests.service import RequestService
from cairn.domain.requests.statistics import ApprovalStatistics
from cairn.domain.schedules.service import ScheduleService
from cairn.domain.tools.authored.service import ToolService
from cairn.domain.uploads import UploadService
from cairn.domain.usage import BudgetService
from cairn.domain.user_settings import UserSettingsService
from cairn.temporal.schedule_client import ScheduleClient


async def execution_service(request: Request, unit: Unit) -> ExecutionService:
    """Return the caller's executions."""
    context = request.app.state.context
    return ExecutionService(unit.session, context.temporal, request.state.principal, context.settings)


async def token_feed(request: Request) -> TokenFeed:
    """Return where tokens of models come from."""
    feed: TokenFeed = request.app.state.context.tokens
    return feed


async def reset_service(executions: Annotated[ExecutionService, Depends(execution_service)]) -> ResetService:
    """Return the resets of the caller's executions."""
    return ResetService(executions)


async def schedule_service(
    request: Request, executions: Annotated[ExecutionService, Depends(execution_service)]
) -> ScheduleService:
    """Return the caller's schedules."""
    context = request.app.state.context
    return ScheduleService(executions, ScheduleClient(context.temporal.client, context.settings))


async def graph_service(request: Request, unit: Unit) -> GraphService:
    """Return the caller's graphs."""
    caller: Principal = request.state.principal
    context: Context = request.app.state.context
    tools = ToolService(unit.session, caller.scope, caller.author, context.tools)
    return GraphService(unit.session, caller.scope, caller.author, context.validation, tools, context.sealer)


async def agent_service(request: Request, graphs: Annotated[GraphService, Depends(graph_service)]) -> AgentService:
    """Return the caller's agents."""
    caller: Principal = request.state.principal
    context: Context = request.app.state.context
    tools = ToolService(graphs.session, caller.scope, caller.author, context.tools)
    return AgentService(graphs, tools, context.settings.default_model, caller.author)


async def agent_removal(
    agents: Annotated[AgentService, Depends(agent_service)],
    executions: Annotated[ExecutionService, Depends(execution_service)],
) -> AgentRemoval:
    """Return what deletes the caller's agents."""
    return AgentRemoval(agents, executions)


async def folder_service(request: Request, unit: Unit) -> FolderService:
    """Return the caller's folders."""
    return FolderService(unit.session, request.state.principal.scope)


async def request_service(request: Request, unit: Unit) -> RequestService:
    """Return the approvals and questions of the caller's tenant."""
    return RequestService(unit.session, request.app.state.context.temporal, request.state.principal)


async def approval_statistics(request: Request, unit: Unit) -> ApprovalStatistics:
    """Return the figures over them."""
    return ApprovalStatistics(unit.session, request.state.principal)


async def upload_service(request: Request, unit: Unit) -> UploadService:
    """Return the caller's uploads."""
    caller: Principal = request.state.principal
    return UploadService(unit.session, caller.scope, request.app.state.context.secret)


async def budget_service(request: Request, unit: Unit) -> BudgetService:
    """Return the budgets of the caller's tenant."""
    return BudgetService(unit.session, request.state.principal.scope, request.app.state.context.settings)


async def settings_service(request: Request, unit: Unit) -> UserSettingsService:
    """Return the caller's settings."""
    caller: Principal = request.state.principal
    return UserSettingsService(unit.session, caller.scope, caller.author)


Executions = Annotated[ExecutionService, Depends(execution_service)]
Tokens = Annotated[TokenFeed, Depends(token_feed)]
Resets = Annotated[ResetService, Depends(reset_service)]
Schedules = Annotated[ScheduleService, Depends(schedule_service)]
Graphs = Annotated[GraphService, Depends(graph_service)]
Agents = Annotated[AgentService, Depends(agent_service)]
AgentsToRemove = Annotated[AgentRemoval, Depends(agent_removal)]
Folders = Annotated[FolderService, Depends(folder_service)]
Requests = Annotated[RequestService, Depends(request_service)]
ApprovalFigures = Annotated[ApprovalStatistics, Depends(approval_statistics)]
Uploads = Annotated[UploadService, Depends(upload_service)]
Budgets = Annotated[BudgetService, Depends(budget_service)]
SettingsService = Annotated[UserSettingsService, Depends(settings_service)]
