"""All activities that a worker serves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from temporalio.client import Client

from activities.blobs import BlobActivities
from activities.calls import CallRecords
from activities.checkpoint import mark_checkpoint
from activities.children import ChildActivities
from activities.code import CodeActivities
from activities.context import ContextActivities
from activities.executions import ExecutionActivities
from activities.http import HttpActivities
from activities.llm import AgentActivities
from activities.llm_call import CallActivities
from activities.llm_conversation import ConversationTurns
from activities.llm_direct import DirectCallActivities
from activities.llm_turn import TurnActivities
from activities.mcp import McpActivities
from activities.requests import RequestActivities
from activities.resets import ResetActivities
from activities.retrieval import RetrievalActivities
from activities.schedules import ScheduleActivities
from activities.score import ScoreActivities
from activities.segment import SegmentActivities
from activities.tool_trials import TrialActivities
from activities.tools import ToolActivities
from activities.writing import WritingActivities
from cairn.contracts.nodes import RUN_AGENT, RUN_SCORE
from cairn.domain.capabilities import Passages
from cairn.domain.conversations.turns import TurnMessages
from cairn.domain.credentials import CredentialHeaders, Sealer
from cairn.domain.executions.tokens import TokenWriter
from cairn.domain.llm.tenant_models import TenantModels
from cairn.domain.model_history import ModelHistory
from cairn.domain.skills import SkillLibrary
from cairn.domain.tools.authored import Toolbox
from cairn.domain.tools.registry import ToolRegistry, load_tools
from cairn.domain.usage import Ledger
from cairn.graph.validate import ValidationContext
from cairn.persistence.session import Database
from cairn.providers.llm import LanguageModels
from cairn.providers.mcp import server_names
from cairn.providers.sandbox import SandboxInForce
from cairn.settings import Settings
from cairn.temporal.executions import ExecutionClient


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What activities work with."""

    settings: Settings
    database: Database
    client: Client
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    """Closes in the end what activities have opened."""


def _authoring(settings: Settings, tools: ToolRegistry) -> ValidationContext:
    return ValidationContext(
        known_tools=frozenset(tools.names()),
        repeatable_tools=tools.repeatable(),
        known_mcp_servers=server_names(settings),
    )


def activities(deps: Dependencies) -> list[Callable[..., Any]]:
    """Return every activity, bound to what it works with."""
    known = load_tools(deps.settings)
    models = LanguageModels(deps.settings)
    deps.closing.push_async_callback(models.aclose)
    history = ModelHistory.of(deps.client)
    tokens = TokenWriter(deps.database) if deps.settings.stream_models else None
    sealer = Sealer.of(deps.settings)
    ledger = Ledger(deps.database, deps.settings.monthly_budget)
    credentials = CredentialHeaders(deps.database, sealer)
    sandbox = SandboxInForce(deps.settings)
    toolbox = Toolbox(deps.settings, deps.database, known, credentials, sandbox)
    tenant_models = TenantModels(deps.database, sealer, models, deps.settings)
    turns = ConversationTurns(TurnMessages(deps.database), tenant_models, ledger)
    tools, agents = ToolActivities(known, toolbox), AgentActivities(models, known, tokens, sealer, ledger, turns)
    client = ExecutionClient(deps.client, deps.settings)
    executions = ExecutionActivities(deps.database, client)
    resets = ResetActivities(deps.database, client, toolbox)
    schedules = ScheduleActivities(deps.database, client, deps.settings)
    children = ChildActivities(deps.database, deps.client)
    requests = RequestActivities(deps.settings, deps.database, client, toolbox)
    codes, scores = CodeActivities(sandbox), ScoreActivities(models, ledger)
    skills = SkillLibrary(deps.settings.skills)
    trials = TrialActivities(deps.settings, sandbox)
    inside = {RUN_AGENT.name: agents.run_agent, RUN_SCORE.name: scores.run_score}
    return [
        mark_checkpoint,
        SegmentActivities(deps.database, sandbox, tools, inside).run_segment,
        agents.run_agent,
        TurnActivities(models, known, history, tokens, ledger, turns, toolbox).call_model,
        CallActivities(models, toolbox, history, tokens, ledger).speak,
        ContextActivities(deps.database, known, skills).build_context,
        RetrievalActivities(Passages(deps.database, skills)).retrieve,
        CallRecords(deps.database).record_call,
        tools.run_tool,
        HttpActivities(deps.settings, credentials).http_request,
        codes.run_code,
        McpActivities(deps.settings).call_mcp,
        scores.run_score,
        requests.open_request,
        requests.close_request,
        children.watch_child,
        children.keep_items,
        executions.land,
        executions.record,
        executions.request_cancel,
        resets.plan_rollback,
        resets.undo,
        resets.note_failed_undo,
        resets.make_reset,
        resets.stop_orphans,
        resets.after_reset,
        executions.reconcile,
        schedules.prepare_scheduled,
        schedules.note_scheduled,
        schedules.discard_scheduled,
        schedules.look_at_execution,
        DirectCallActivities(tenant_models, tokens, ledger).call_directly,
        WritingActivities(models, _authoring(deps.settings, known), ledger).write_graph,
        trials.try_tool,
        trials.describe_mcp_tool,
        BlobActivities(deps.settings, deps.client).collect_blobs,
    ]
