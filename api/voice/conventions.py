"""What is particular to voice: errors are ``{"detail", "code", "request_id"}``; ``detail`` may list wrong values."""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel, ConfigDict

from api.kit.auth import by_api_key
from api.kit.problem import Problem, WrongValue
from api.kit.surface import Surface
from api.voice.schemas.validation import Validation
from cairn.contracts.json import JsonObject
from cairn.graph.model import GraphIssue


class Error(BaseModel):
    """Any error. A stale write is told ``expected_version`` and ``current_version``, and the revision."""

    model_config = ConfigDict(extra="allow")

    detail: str
    code: str
    request_id: str


class ValidationError(BaseModel):
    """The error of a body that is malformed, or of a graph that is not valid."""

    detail: list[WrongValue] | Validation | str
    code: str
    request_id: str


def render(problem: Problem) -> JsonObject:
    """Return the body of an error; what a graph's validation found is given as it is."""
    detail: Any = problem.message
    more = problem.extra
    if "is_valid" in more:
        issues = cast(list[JsonObject], more["errors"])
        detail = Validation.of(GraphIssue(**issue) for issue in issues).model_dump()
        more = {}
    elif problem.errors:
        detail = [error.wrong_value.model_dump() for error in problem.errors]
    return {**more, "detail": detail, "code": problem.code, "request_id": problem.request_id}


VOICE = Surface(
    name="voice",
    title="Cairn agent graphs",
    description="Make, check and publish agent graphs. A workflow is a graph; executions run its published version.",
    authenticate=by_api_key,
    render=render,
    problem=Error,
    validation_problem=ValidationError,
)
