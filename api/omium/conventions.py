"""What is particular to omium: errors are ``{"detail", "code", "request_id"}``, and name wrong values by pointer."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from api.kit.auth import by_api_key
from api.kit.problem import Problem
from api.kit.surface import Surface
from cairn.contracts.json import JsonObject


class Error(BaseModel):
    """Any error."""

    model_config = ConfigDict(extra="allow")

    detail: str = Field(description="What is wrong, for a person.")
    code: str = Field(description="What is wrong, for a program.")
    request_id: str = Field(description="Id of the request, as in the header X-Request-ID and in the log.")


class WrongValue(BaseModel):
    """One wrong value of a request."""

    pointer: str = Field(description="JSON pointer into the body; /query/…, /path/… or /header/… outside of it.")
    message: str


class ValidationError(Error):
    """The error of a request whose values break a rule."""

    errors: list[WrongValue] = Field(default_factory=list[WrongValue])


def render(problem: Problem) -> JsonObject:
    """Return the body of an error."""
    body: JsonObject = {"detail": problem.message, "code": problem.code, "request_id": problem.request_id}
    if problem.errors or problem.status == 422:
        body["errors"] = [{"pointer": e.pointer, "message": e.message} for e in problem.errors]
    return {**problem.extra, **body}


OMIUM = Surface(
    name="omium",
    title="Cairn executions",
    description="Start, inspect, replay and roll back executions of published graphs.",
    authenticate=by_api_key,
    render=render,
    problem=Error,
    validation_problem=ValidationError,
)
