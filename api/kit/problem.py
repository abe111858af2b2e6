"""From an error to what a caller sees of it; each surface renders a :class:`Problem` in its own documented shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Any, Literal, cast

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.kit.body import FORM
from cairn.errors import CairnError, FieldError, plain_message

Location = Literal["body", "query", "path", "header", "cookie"]

CODES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "invalid_input",
    429: "rate_limited",
    503: "unavailable",
}


class WrongValue(BaseModel):
    """One wrong value, as surfaces of FastAPI's convention show it."""

    loc: list[str | int]
    msg: str
    type: str


@dataclass(frozen=True, slots=True)
class InputError:
    """One wrong value of a request.

    Attributes:
        location: the part of the request it is in.
        path: keys and indexes that lead to it from there.
        message: what is wrong, for a person.
        kind: the rule it breaks, for a program (pydantic's error types, or ``value_error``).
    """

    location: Location
    path: tuple[str | int, ...]
    message: str
    kind: str = "value_error"

    @property
    def pointer(self) -> str:
        """JSON pointer (RFC 6901) into the body; ``/query/page`` and the like outside of it."""
        steps = self.path if self.location == "body" else (self.location, *self.path)
        return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)

    @property
    def wrong_value(self) -> WrongValue:
        """The error by FastAPI's convention."""
        return WrongValue(loc=[self.location, *self.path], msg=self.message, type=self.kind)


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as a caller may see it: no stack trace, SQL, path or secret.

    Attributes:
        status: of the HTTP response.
        code: machine-readable.
        message: for a person.
        request_id: also in the log and in the header ``X-Request-ID``.
        errors: the single wrong values, where the input is at fault.
        extra: further members of the body.
        headers: of the HTTP response.
    """

    status: int
    code: str
    message: str
    request_id: str
    errors: tuple[InputError, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict[str, object])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def problem_of(error: Exception, request_id: str) -> Problem:
    """Say what a caller may see of an error; whatever is not known to be the caller's is a bare 500."""
    if isinstance(error, CairnError):
        return _of_cairn(error, request_id)
    if isinstance(error, RequestValidationError):
        errors = tuple(_input_errors(cast(Sequence[Mapping[str, Any]], error.errors())))
        return Problem(422, CODES[422], _summary(errors), request_id, errors)
    if isinstance(error, HTTPException):
        message = error.detail if error.detail else HTTPStatus(error.status_code).phrase
        code = CODES.get(error.status_code, HTTPStatus(error.status_code).name.lower())
        return Problem(error.status_code, code, message, request_id, headers=dict(error.headers or {}))
    if isinstance(error, ClientDisconnect):  # nobody hears this; it is no fault of ours
        return Problem(400, CODES[400], "The request came to no end.", request_id)
    if isinstance(error, PoolTimeout):
        return Problem(
            503, CODES[503], "Too many requests wait for the database.", request_id, headers={"Retry-After": "1"}
        )
    if isinstance(error, PendingRollbackError):  # the connection was lost in the middle of the request
        return Problem(503, CODES[503], "The database does not answer.", request_id, headers={"Retry-After": "1"})
    return Problem(500, "internal_error", "Internal error.", request_id)


def _of_cairn(error: CairnError, request_id: str) -> Problem:
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, ceil(error.retry_after)))
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="cairn"'
    errors = tuple(_from_pointer(e) for e in error.errors)
    return Problem(error.status, error.code, error.message, request_id, errors, error.extra, headers)


def _from_pointer(error: FieldError) -> InputError:
    unescaped = (s.replace("~1", "/").replace("~0", "~") for s in error.pointer.split("/")[1:])
    steps = tuple(int(s) if s.isdecimal() else s for s in unescaped)
    return InputError(error.part, steps, error.message)


def _input_errors(errors: Iterable[Mapping[str, Any]]) -> Iterable[InputError]:
    for error in errors:
        location, *path = error["loc"]
        if path and str(path[0]).startswith(FORM):
            del path[0]
        yield InputError(cast(Location, location), tuple(path), plain_message(error), str(error["type"]))


def _summary(errors: Sequence[InputError]) -> str:
    """One sentence for callers that read one string."""
    if not errors:
        return "The request is not valid."
    first = errors[0]
    where = first.pointer.lstrip("/").replace("/", ".") or "body"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{where}: {first.message}{more}"
