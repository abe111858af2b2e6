"""Errors of the domain. A surface renders them in its own documented shape; no other layer knows HTTP.

Each class fixes the HTTP status and the machine-readable ``code`` that a surface may show. Messages are for callers:
they never carry a stack trace, SQL, a path or a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error of an input document.

    Attributes:
        pointer: JSON pointer (RFC 6901) of the offending value, ``""`` for the whole document.
        message: what is wrong, for a person.
        part: of the request; the document is its body, where parameters of a query are ``/{name}``.
    """

    pointer: str
    message: str
    part: Literal["body", "query"] = "body"


_PYDANTICS_OWN = {"value_error": "Value error, ", "assertion_error": "Assertion failed, "}


def plain_message(error: Mapping[str, Any]) -> str:
    """Return what one of pydantic's errors says, without what pydantic puts before the messages of validators.

    Args:
        error: one of ``ValidationError.errors()``.
    """
    return str(error["msg"]).removeprefix(_PYDANTICS_OWN.get(error["type"], ""))


class CairnError(Exception):
    """Base of all errors that a caller can cause or should see."""

    status = 500
    code = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: float | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        """Make an error.

        Args:
            message: for the caller.
            code: overrides the class's machine-readable code.
            errors: the single errors of an input document.
            retry_after: seconds after which the same call may succeed.
            extra: further members of the error body (for example both versions of a stale write).
        """
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.extra = dict(extra or {})


class BadRequest(CairnError):
    """The request is not of the form the surface documents."""

    status, code = 400, "bad_request"


class Unauthenticated(CairnError):
    """No key, or one that is unknown, expired or revoked."""

    status, code = 401, "unauthenticated"


class Forbidden(CairnError):
    """The key lacks a scope."""

    status, code = 403, "forbidden"


class NotFound(CairnError):
    """No such thing for this tenant; a foreign tenant's thing is the same."""

    status, code = 404, "not_found"


class Conflict(CairnError):
    """The thing's present state does not allow the command."""

    status, code = 409, "conflict"


class Gone(CairnError):
    """The thing's time is over."""

    status, code = 410, "gone"


class PayloadTooLarge(CairnError):
    """The body is over the limit."""

    status, code = 413, "payload_too_large"


class UnsupportedMediaType(CairnError):
    """The body is of a type that is not taken there."""

    status, code = 415, "unsupported_media_type"


class InvalidInput(CairnError):
    """A well-formed body whose values break a rule; ``errors`` names each."""

    status, code = 422, "invalid_input"


class RateLimited(CairnError):
    """Too many requests."""

    status, code = 429, "rate_limited"


class BadGateway(CairnError):
    """Something outside that is needed, such as a provider of models, refused or failed."""

    status, code = 502, "bad_gateway"


class Unavailable(CairnError):
    """Something Cairn needs (Temporal, the database, a worker) does not answer."""

    status, code = 503, "unavailable"
