"""The tables, one file each."""

from cairn.persistence.tables.agent_subagents import SubagentRow
from cairn.persistence.tables.agents import AgentRow
from cairn.persistence.tables.api_keys import ApiKeyRow
from cairn.persistence.tables.base import METADATA, TenantRow
from cairn.persistence.tables.budgets import BudgetReserveRow, BudgetRow
from cairn.persistence.tables.calls import CallRow
from cairn.persistence.tables.compensations import CompensationRow
from cairn.persistence.tables.conversation_blocks import ConversationBlockRow
from cairn.persistence.tables.conversation_markers import MarkerRow
from cairn.persistence.tables.conversations import ConversationRow
from cairn.persistence.tables.credentials import CredentialRow
from cairn.persistence.tables.draft_definitions import DraftDefinitionRow
from cairn.persistence.tables.executions import ExecutionRow
from cairn.persistence.tables.folders import FolderRow
from cairn.persistence.tables.graph_triggers import GraphTriggerRow
from cairn.persistence.tables.graph_versions import GraphVersionRow
from cairn.persistence.tables.graphs import GraphRow
from cairn.persistence.tables.idempotency import IdempotencyRow
from cairn.persistence.tables.llm_modes import LlmModeRow
from cairn.persistence.tables.llm_providers import LlmProviderRow
from cairn.persistence.tables.messages import MessageRow
from cairn.persistence.tables.model_calls import ModelCallRow
from cairn.persistence.tables.prompt_block_renders import PromptBlockRenderRow
from cairn.persistence.tables.prompt_blocks import PromptBlockRow
from cairn.persistence.tables.requests import RequestRow
from cairn.persistence.tables.resets import ResetRow
from cairn.persistence.tables.schedules import ScheduleRow
from cairn.persistence.tables.stream_chunks import StreamChunkRow
from cairn.persistence.tables.tool_drafts import ToolDraftRow
from cairn.persistence.tables.tools import ToolRow
from cairn.persistence.tables.turn_events import TurnEventRow
from cairn.persistence.tables.uploads import UploadRow
from cairn.persistence.tables.user_settings import UserSettingsRow

__all__ = [
    "METADATA",
    "AgentRow",
    "ApiKeyRow",
    "BudgetReserveRow",
    "BudgetRow",
    "CallRow",
    "CompensationRow",
    "ConversationBlockRow",
    "ConversationRow",
    "CredentialRow",
    "DraftDefinitionRow",
    "ExecutionRow",
    "FolderRow",
    "GraphRow",
    "GraphTriggerRow",
    "GraphVersionRow",
    "IdempotencyRow",
    "LlmModeRow",
    "LlmProviderRow",
    "MarkerRow",
    "MessageRow",
    "ModelCallRow",
    "PromptBlockRenderRow",
    "PromptBlockRow",
    "RequestRow",
    "ResetRow",
    "ScheduleRow",
    "StreamChunkRow",
    "SubagentRow",
    "TenantRow",
    "ToolDraftRow",
    "ToolRow",
    "TurnEventRow",
    "UploadRow",
    "UserSettingsRow",
]
