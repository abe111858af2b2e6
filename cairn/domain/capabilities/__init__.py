"""Capabilities of agents: retrieval, planning and reflection, each an execution."""

from cairn.domain.capabilities.model import Capability, Outcome, PlanAsked, ReflectionAsked, RetrievalAsked
from cairn.domain.capabilities.passages import Passages
from cairn.domain.capabilities.service import Capabilities

__all__ = [
    "Capabilities",
    "Capability",
    "Outcome",
    "Passages",
    "PlanAsked",
    "ReflectionAsked",
    "RetrievalAsked",
]
