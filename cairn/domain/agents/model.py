"""Agents as callers see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cairn.contracts.json import JsonObject
from cairn.domain.agents.config import AgentConfig, Status

MAX_DEPTH = 5
"""Levels of sub-agents below an agent."""


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
        description: None, as ``args_schema``, of a tool that the installation does not have any more.
        require_approval: a person has to approve its calls.
    """

    name: str
    description: str | None
    args_schema: JsonObject | None
    require_approval: bool


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
