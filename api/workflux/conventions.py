"""What is particular to workflux: errors are ``{"error": {code, message, details, request_id, timestamp}}``."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel

from api.kit.auth import by_api_key
from api.kit.problem import Problem
from api.kit.surface import Surface
from cairn.contracts.json import JsonObject

_CODES = {
    400: "INVALID_REQUEST",
    401: "AUTHENTICATION_FAILED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_NOT_FOUND",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMIT_EXCEEDED",
}


class ErrorBody(BaseModel):
    """What went wrong."""

    code: str
    message: str
    details: JsonObject
    request_id: str
    timestamp: datetime


class Error(BaseModel):
    """Any error."""

    error: ErrorBody


def render(problem: Problem) -> JsonObject:
    """Return the body of an error; ``details`` names the first wrong value."""
    details: JsonObject = dict(problem.extra)
    if problem.errors:
        first = problem.errors[0]
        details |= {"field": ".".join(str(step) for step in first.path), "reason": first.message}
    shown = ErrorBody(
        code=_CODES.get(problem.status, problem.code.upper()),
        message=problem.message,
        details=details,
        request_id=problem.request_id,
        timestamp=datetime.now(UTC),
    )
    return Error(error=shown).model_dump(mode="json")


WORKFLUX = Surface(
    name="workflux",
    title="Cairn agents and conversations",
    description="Agents, conversations, analytics and integrations.",
    authenticate=by_api_key,
    render=render,
    problem=Error,
    validation_problem=Error,
)
