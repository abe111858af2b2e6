"""What is particular to omniflow: everything is in an envelope ``{success, data | error, meta}``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from api.kit.auth import by_api_key
from api.kit.problem import Problem
from api.kit.surface import Surface
from cairn.contracts.json import JsonObject


class ErrorBody(BaseModel):
    """What went wrong, and with which value."""

    code: str
    message: str
    field: str | None = None


class Meta(BaseModel):
    """About the request."""

    request_id: str


class Error(BaseModel):
    """Any error."""

    success: Literal[False] = False
    error: ErrorBody
    meta: Meta


def render(problem: Problem) -> JsonObject:
    """Return the body of an error; ``field`` is the first wrong value's."""
    field = ".".join(str(step) for step in problem.errors[0].path) if problem.errors else None
    code = "invalid_argument" if problem.status == 422 else problem.code
    shown = ErrorBody(code=code, message=problem.message, field=field)
    return Error(error=shown, meta=Meta(request_id=problem.request_id)).model_dump()


OMNIFLOW = Surface(
    name="omniflow",
    title="Cairn conversation quality",
    description="Scoring, contacts, tickets, training and webhooks.",
    authenticate=by_api_key,
    render=render,
    problem=Error,
    validation_problem=Error,
    rate_limit="60/minute",
)
