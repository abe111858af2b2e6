"""score: a model judges a value against a rubric; weights and total are computed, not asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import RUN_SCORE
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Scope, Sources, evaluate, render

OVERALL = "overall"
"""Name of the one criterion that a rubric in words has."""


class Criterion(BaseModel):
    """One thing that is judged.

    Attributes:
        name: of the criterion, unique in its rubric.
        description: text; what the judge looks at.
        weight: share in the total, relative to the others.
        min: points for nothing.
        max: points for everything.
    """

    model_config = ConfigDict(extra="forbid")

    name: Name
    description: str | None = None
    weight: float = Field(default=1.0, gt=0, le=1_000_000)
    min: float = Field(default=0.0, ge=-1_000_000, le=1_000_000)
    max: float = Field(default=5.0, ge=-1_000_000, le=1_000_000)

    @model_validator(mode="after")
    def _span(self) -> Criterion:
        if self.min >= self.max:
            raise ValueError("min must be less than max")
        return self


class InWords(Criterion):
    """The one criterion of a rubric that is a text."""


def _criteria(rubric: Json) -> Json:
    if not isinstance(rubric, str):
        return rubric
    return [InWords(name=OVERALL, description=rubric)] if rubric.strip() else []


class ScoreData(NodeData):
    """Data of a score node.

    Attributes:
        of: expression of what is judged.
        rubric: criteria, or a text that says how to judge.
        rubric_id: a stored rubric.
        threshold: total from which on ``passed`` is true; without one there is no ``passed``.
        model: ``provider:name``; None for the deployment's default.
        max_cost: US dollars at most.
        temperature: of the model's sampling.
    """

    of: Json
    rubric: Annotated[list[Criterion], BeforeValidator(_criteria), Field(min_length=1, max_length=50)] | None = None
    rubric_id: Name | None = None
    threshold: float | None = Field(default=None, ge=0, le=1)
    model: Name | None = None
    max_cost: float | None = Field(default=None, gt=0)
    temperature: float | None = Field(default=None, ge=0, le=2)

    @field_validator("rubric")
    @classmethod
    def _distinct(cls, rubric: list[Criterion] | None) -> list[Criterion] | None:
        names = [each.name for each in rubric or []]
        if len(set(names)) < len(names):
            raise ValueError("two criteria have the same name")
        return rubric


class Score(NodeKind[ScoreData]):
    """The kind."""

    def resolve(self, data: ScoreData, scope: Scope) -> JsonObject:
        """Evaluate what is judged, render the rubric's texts."""
        return {
            "of": evaluate(data.of, scope),
            "rubric": [self._criterion(each, scope) for each in data.rubric or []],
            "threshold": data.threshold,
            "model": data.model,
            "max_cost": data.max_cost,
            "temperature": data.temperature,
        }

    def _criterion(self, criterion: Criterion, scope: Scope) -> JsonObject:
        described = None if criterion.description is None else render(criterion.description, scope)
        return {**criterion.model_dump(), "description": described}

    def expressions(self, data: ScoreData) -> Sources:
        """What is judged."""
        if isinstance(data.of, str):
            yield "of", data.of

    def texts(self, data: ScoreData) -> Sources:
        """The rubric's texts."""
        for i, criterion in enumerate(data.rubric or []):
            if criterion.description is not None:
                path = "rubric" if isinstance(criterion, InWords) else f"rubric.{i}.description"
                yield path, criterion.description

    def problems(self, data: ScoreData) -> Iterable[tuple[str, str]]:
        """A rubric is needed, and it must stand in the node."""
        if data.rubric_id is not None:
            yield "rubric_id", f"No rubric is stored under the id '{data.rubric_id}': write the criteria in rubric"
        elif data.rubric is None:
            yield "rubric", "Rubric is required"


KIND = Score(type="score", Data=ScoreData, activity=RUN_SCORE, checkpointed=True, pure=True, timeout=300.0)
