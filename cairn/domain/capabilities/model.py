"""What is asked of an agent's capabilities, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from cairn.contracts.json import JsonObject

Capability = Literal["retrieve", "plan", "reflect"]


@dataclass(frozen=True, slots=True)
class RetrievalAsked:
    """What to look for, and how many passages at most.

    Attributes:
        knowledge_bases: ids of those to search, too.
    """

    query: str
    top_k: int
    knowledge_bases: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PlanAsked:
    """What a plan is to reach, and what it has to keep to."""

    goal: str
    constraints: Sequence[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class ReflectionAsked:
    """What is to be judged, and by what."""

    content: str
    criteria: Sequence[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the output of the execution."""

    execution_id: str
    output: JsonObject
