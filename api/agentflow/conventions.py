"""What is particular to agentflow: errors are ``{"detail", "code", "request_id"}``, wrong values a list in it."""

from __future__ import annotations

import json
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from api.kit.auth import by_api_key
from api.kit.problem import Problem, WrongValue
from api.kit.surface import Surface
from cairn.contracts.json import JsonObject


class Error(BaseModel):
    """Any error."""

    model_config = ConfigDict(extra="allow")

    detail: str
    code: str
    request_id: str


class ValidationError(BaseModel):
    """The error of a request whose values break a rule."""

    model_config = ConfigDict(extra="allow")

    detail: list[WrongValue] | str
    code: str
    request_id: str


def render(problem: Problem) -> JsonObject:
    """Return the body of an error."""
    detail = [error.wrong_value.model_dump() for error in problem.errors] or problem.message
    return {**problem.extra, "detail": detail, "code": problem.code, "request_id": problem.request_id}


AGENTFLOW = Surface(
    name="agentflow",
    title="Cairn agents",
    description="The agent platform: agents, models, prompt blocks, skills, people in the loop, usage and settings.",
    authenticate=by_api_key,
    render=render,
    problem=Error,
    validation_problem=ValidationError,
    examples=json.loads((files("api.agentflow") / "examples.json").read_text("utf-8")),
)
