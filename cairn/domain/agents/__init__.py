"""Agents: what their authors say of them, compiled into graphs of their own, which are what runs."""

from cairn.domain.agents.config import AgentConfig
from cairn.domain.agents.model import Agent, AgentFilter, AgentStatistics, AgentSummary
from cairn.domain.agents.removal import AgentRemoval
from cairn.domain.agents.service import AgentService

__all__ = [
    "Agent",
    "AgentConfig",
    "AgentFilter",
    "AgentRemoval",
    "AgentService",
    "AgentStatistics",
    "AgentSummary",
]
