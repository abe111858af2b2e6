"""The services that only this surface's handlers call."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from api.kit.context import Context
from api.kit.deps import Agents, Executions
from api.kit.unit_of_work import Unit
from cairn.domain.agents.tool_authoring import ToolAuthoring
from cairn.domain.agents.tool_runs import ToolRuns
from cairn.domain.agents.tools import AgentTools
from cairn.domain.capabilities import Capabilities
from cairn.domain.chat import ChatService
from cairn.domain.chat.runs import Runs as TurnRuns
from cairn.domain.context import AgentContext
from cairn.domain.conversations import ConversationService
from cairn.domain.conversations.summaries import Summaries
from cairn.domain.llm import LlmConfigService
from cairn.domain.llm.calls import DirectCalls
from cairn.domain.llm.suggestions import Suggestions
from cairn.domain.principal import Principal
from cairn.domain.prompt_blocks import BlockRenderer, PromptBlockService, RenderCache
from cairn.domain.skills import SkillLibrary
from cairn.domain.tools.authored import ToolService
from cairn.domain.tools.authored.drafts import ToolDrafts
from cairn.domain.tools.authored.writing import ToolWriter
from cairn.temporal.direct_calls import DirectCallClient
from cairn.temporal.tool_trials import ToolTrialClient


async def prompt_block_service(request: Request, unit: Unit) -> PromptBlockService:
    """Return the caller's prompt blocks."""
    caller: Principal = request.state.principal
    return PromptBlockService(unit.session, caller.scope)


PromptBlocks = Annotated[PromptBlockService, Depends(prompt_block_service)]


async def block_renderer(request: Request, unit: Unit, blocks: PromptBlocks) -> BlockRenderer:
    """Return what renders them."""
    context: Context = request.app.state.context
    caller: Principal = request.state.principal
    tools = ToolService(unit.session, caller.scope, caller.author, context.tools)
    return BlockRenderer(blocks, RenderCache(unit.session, caller.scope), tools)


async def skill_library(request: Request) -> SkillLibrary:
    """Return the installation's skills."""
    context: Context = request.app.state.context
    return SkillLibrary(context.settings.skills)


Renderer = Annotated[BlockRenderer, Depends(block_renderer)]
Skills = Annotated[SkillLibrary, Depends(skill_library)]


async def llm_config_service(request: Request, unit: Unit) -> LlmConfigService:
    """Return the caller's keys for providers of models, and its policy."""
    context: Context = request.app.state.context
    return LlmConfigService(unit.session, request.state.principal.scope, context.sealer, context.settings)


LlmConfigs = Annotated[LlmConfigService, Depends(llm_config_service)]


async def conversation_service(request: Request, unit: Unit) -> ConversationService:
    """Return the conversations of the caller's tenant."""
    return ConversationService(unit.session, request.state.principal.scope)


Conversations = Annotated[ConversationService, Depends(conversation_service)]


async def agent_context(request: Request, unit: Unit) -> AgentContext:
    """Return what the turns of the caller's agents are given."""
    context: Context = request.app.state.context
    caller: Principal = request.state.principal
    return AgentContext(unit.session, caller.scope, context.tools, caller.author)


ContextOfAgents = Annotated[AgentContext, Depends(agent_context)]


async def chat_service(executions: Executions, conversations: Conversations, configs: LlmConfigs) -> ChatService:
    """Return the turns of the caller's conversations."""
    return ChatService(executions, conversations, configs)


Chat = Annotated[ChatService, Depends(chat_service)]


async def agent_capabilities(agents: Agents, executions: Executions, configs: LlmConfigs) -> Capabilities:
    """Return what has the caller's agents retrieve, plan and reflect."""
    return Capabilities(agents, executions, configs)


CapabilitiesOfAgents = Annotated[Capabilities, Depends(agent_capabilities)]


async def conversation_runs(executions: Executions, conversations: Conversations) -> TurnRuns:
    """Return the turns of the caller's conversations as executions."""
    return TurnRuns(executions, conversations)


ConversationRuns = Annotated[TurnRuns, Depends(conversation_runs)]


async def direct_calls(request: Request, configs: LlmConfigs) -> DirectCalls:
    """Return what calls models for the caller."""
    context: Context = request.app.state.context
    client = DirectCallClient(context.temporal.client, context.settings)
    return DirectCalls(client, configs, request.state.principal, context.settings)


DirectLlmCalls = Annotated[DirectCalls, Depends(direct_calls)]


async def conversation_summaries(conversations: Conversations, calls: DirectLlmCalls) -> Summaries:
    """Return what summarises the caller's conversations."""
    return Summaries(conversations, calls)


ConversationSummaries = Annotated[Summaries, Depends(conversation_summaries)]


async def llm_suggestions(calls: DirectLlmCalls) -> Suggestions:
    """Return what completes texts and recommends for the caller."""
    return Suggestions(calls)


LlmSuggestions = Annotated[Suggestions, Depends(llm_suggestions)]


async def agent_tools(request: Request, agents: Agents, unit: Unit) -> AgentTools:
    """Return the tools of the caller's agents."""
    caller: Principal = request.state.principal
    return AgentTools(agents, ToolDrafts(unit.session, caller.scope, caller.author))


ToolsOfAgents = Annotated[AgentTools, Depends(agent_tools)]


async def tool_authoring(request: Request, tools: ToolsOfAgents, calls: DirectLlmCalls) -> ToolAuthoring:
    """Return what makes tools for them."""
    context: Context = request.app.state.context
    return ToolAuthoring(tools, ToolTrialClient(context.temporal.client, context.settings), ToolWriter(calls))


Authoring = Annotated[ToolAuthoring, Depends(tool_authoring)]


async def tool_runs(tools: ToolsOfAgents, executions: Executions) -> ToolRuns:
    """Return what runs them by themselves."""
    return ToolRuns(tools, executions)


Runs = Annotated[ToolRuns, Depends(tool_runs)]
