"""Agents as callers see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cairn.contracts.json import JsonObject
from cairn.domain.agents.config import AgentConfig, Status, ToolApproval
from cairn.domain.tools.authored import AuthoredTool, ToolSpec
from cairn.domain.tools.authored.drafts import ToolDraft

ToolKind = Literal["python", "http", "mcp", "builtin"]
ToolStatus = Literal["active", "draft", "missing"]


@dataclass(frozen=True, slots=True)
class AgentName:
    """An agent as others refer to it."""

    id: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class AgentWorkflow:
    """The graph that an agent is: its number, its uuid, and the version that runs."""

    id: int
    uuid: str
    version: int


@dataclass(frozen=True, slots=True)
class AgentSummary:
    """An agent as lists show it.

    Attributes:
        id: also the uuid of its graph, by which approvals and executions name it.
        parent_id: of the agent that it was made under; None for one that stands by itself.
        model: the deployment's default where the configuration names none.
    """

    id: str
    parent_id: str | None
    name: str
    description: str
    category: str
    status: Status
    model: str
    tools_count: int
    subagents_count: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent with all that is said of it.

    Attributes:
        summary: its row in lists.
        config: its configuration.
        revision: +1 for each change of the configuration.
        subagents: in the order that their ids have in the configuration.
        workflow: its graph.
    """

    summary: AgentSummary
    config: AgentConfig
    revision: int
    subagents: Sequence[AgentName]
    workflow: AgentWorkflow

    @property
    def id(self) -> str:
        """The id that callers see."""
        return self.summary.id


@dataclass(frozen=True, slots=True)
class AgentTool:
    """A tool that an agent has, or may be given.

    Attributes:
        name: by which it is called.
        known: None of a tool that there is not any more, and of a draft.
        approval: how its calls are approved.
        draft: what it is, as long as it is one.
    """

    name: str
    known: AuthoredTool | None
    approval: ToolApproval
    draft: ToolDraft | None = None

    @classmethod
    def of_draft(cls, draft: ToolDraft) -> AgentTool:
        """Make it of a draft."""
        return cls(draft.spec.name, None, ToolApproval(enabled=draft.spec.require_approval), draft)

    @property
    def spec(self) -> ToolSpec | None:
        """What its author says of it; None of a tool of the installation."""
        if self.draft is not None:
            return self.draft.spec
        return self.known.spec if self.known is not None else None

    @property
    def status(self) -> ToolStatus:
        """Whether it can be called."""
        if self.draft is not None:
            return "draft"
        return "missing" if self.known is None else "active"

    @property
    def kind(self) -> ToolKind | None:
        """What it is."""
        if self.spec is not None:
            return self.spec.kind
        return None if self.known is None else "builtin"

    @property
    def description(self) -> str | None:
        """What a model is told that it does."""
        if self.spec is not None:
            return self.spec.description
        return None if self.known is None else self.known.description

    @property
    def args_schema(self) -> JsonObject | None:
        """The schema of its arguments."""
        if self.spec is not None:
            return self.spec.args_schema
        return None if self.known is None else self.known.definition["config"]["parameters"]


@dataclass(frozen=True, slots=True)
class ToolFilter:
    """Which tools of an agent a list shows; all given conditions hold.

    Attributes:
        status: drafts, or all others.
    """

    status: Literal["active", "draft"] = "active"
    kind: ToolKind | None = None
    tag: str | None = None

    def takes(self, tool: AgentTool) -> bool:
        """Whether a tool is shown; its status is asked for before."""
        tags = tool.spec.tags if tool.spec is not None else []
        return self.kind in (None, tool.kind) and (self.tag is None or self.tag in tags)


@dataclass(frozen=True, slots=True)
class AgentFilter:
    """Which agents a list shows; all given conditions hold.

    Attributes:
        search: part of the name, in upper or lower case.
        subagents: also those that were made under another one.
    """

    status: Status | None = None
    category: str | None = None
    model: str | None = None
    search: str | None = None
    subagents: bool = False


@dataclass(frozen=True, slots=True)
class AgentStatistics:
    """How many agents there are, and how they did.

    Attributes:
        total: those that stand by themselves, as ``active``, ``by_category`` and ``by_model``.
        subagents: those that were made under another one.
        executions_24h: executions of all of them that began in the last 24 hours.
        success_rate_24h: the completed ones of those that completed or failed; None without any.
    """

    total: int
    active: int
    subagents: int
    by_category: dict[str, int]
    by_model: dict[str, int]
    executions_24h: int
    success_rate_24h: float | None
