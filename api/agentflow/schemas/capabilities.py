"""Capabilities of agents as agentflow takes and shows them."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from api.kit.body import INTEGRAL, Body
from cairn.contracts.json import JsonObject
from cairn.domain import capabilities as domain

Line = Annotated[str, Field(min_length=1, max_length=2000)]


class RetrieveRequest(Body):
    """What to look for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "How are refunds made?", "top_k": 3}]})

    query: str = Field(min_length=1, max_length=4000, description="In plain words.")
    knowledge_bases: (
        Annotated[list[Annotated[str, Field(min_length=1, max_length=255)]], Field(max_length=128)] | None
    ) = Field(default=None, description="Ids; there are none yet, so that any is a 404.")
    top_k: Annotated[int, Field(ge=1, le=50, description="Documents at most."), INTEGRAL] = 5

    def asked(self) -> domain.RetrievalAsked:
        """Return what the domain is asked."""
        return domain.RetrievalAsked(self.query, self.top_k, self.knowledge_bases or [])


class Document(BaseModel):
    """A passage that bears on the query."""

    id: str
    source: Literal["skill", "prompt_block"]
    title: str = Field(description="What it is of, and the heading that it stands under.")
    content: str
    score: float = Field(description="BM25: the higher the better; only to be compared within one answer.")
    metadata: JsonObject = Field(description="`skill` and `path`, or `block`; `passage` is its number in there.")


class Retrieved(BaseModel):
    """Passages, best first."""

    documents: list[Document]
    execution_id: str

    @classmethod
    def of(cls, outcome: domain.Outcome) -> Retrieved:
        """Make it of what the execution brought."""
        return cls.model_validate({**outcome.output, "execution_id": outcome.execution_id})


class PlanRequest(Body):
    """What is to be reached."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"goal": "Move the shop to another town.", "constraints": ["Within a month"]}]}
    )

    goal: str = Field(min_length=1, max_length=20_000)
    constraints: Annotated[list[Line], Field(max_length=50)] | None = Field(
        default=None, description="What the plan has to keep to."
    )

    def asked(self) -> domain.PlanAsked:
        """Return what the domain is asked."""
        return domain.PlanAsked(self.goal, self.constraints or [])


class Step(BaseModel):
    """A step of a plan."""

    id: str
    title: str
    description: str
    tool: str | None = Field(description="One of the agent's tools, which does it; null for none.")
    depends_on: list[str] = Field(description="Ids of earlier steps that must be done before.")


class Plan(BaseModel):
    """Steps in the order in which they can be done."""

    steps: list[Step]
    execution_id: str

    @classmethod
    def of(cls, outcome: domain.Outcome) -> Plan:
        """Make it of what the execution brought: steps that are named by their numbers."""
        said = cast("list[JsonObject]", outcome.output["steps"])
        return cls(
            steps=[
                Step(
                    id=_step(number),
                    title=each["title"],
                    description=each["description"],
                    tool=each.get("tool"),
                    # A step cannot wait for a later one: such a number means nothing.
                    depends_on=[_step(other) for other in sorted(set(each["depends_on"])) if other < number],
                )
                for number, each in enumerate(said, start=1)
            ],
            execution_id=outcome.execution_id,
        )


class ReflectRequest(Body):
    """What is to be judged."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"content": "The Earth is flat.", "criteria": ["It is right", "It is short"]}]}
    )

    content: str = Field(min_length=1, max_length=100_000)
    criteria: Annotated[list[Line], Field(max_length=50)] | None = Field(
        default=None, description="What it is judged by; without them whether it is right, complete and clear."
    )

    def asked(self) -> domain.ReflectionAsked:
        """Return what the domain is asked."""
        return domain.ReflectionAsked(self.content, self.criteria or [])


class Reflection(BaseModel):
    """A judgement."""

    assessment: str
    score: float = Field(ge=0, le=1, description="1 for what cannot be better.")
    issues: list[str]
    suggestions: list[str]
    execution_id: str

    @classmethod
    def of(cls, outcome: domain.Outcome) -> Reflection:
        """Make it of what the execution brought."""
        said = cast("JsonObject", outcome.output["reflection"])
        return cls.model_validate({**said, "execution_id": outcome.execution_id})


def _step(number: int) -> str:
    return f"step_{number}"
