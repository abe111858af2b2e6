"""Errors of activities, in the one form that the workflow reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from cairn.contracts.executions import Usage
from cairn.errors import CairnError, Unavailable
from workflows.failures import application_error

LONGEST_WAIT = 3600.0
"""Seconds: a server that asks for a longer pause is asked again after this."""

_MESSAGE_LIMIT = 2_000


def node_error(
    code: str,
    message: str,
    *,
    retryable: bool,
    cause: str | None = None,
    retry_after: float | None = None,
    usage: Usage | None = None,
    more: Mapping[str, object] | None = None,
    benign: bool = False,
) -> ApplicationError:
    """Return the error to raise for a node that failed.

    Args:
        code: machine-readable; what a node's ``retry.non_retryable`` matches.
        message: for a person, cut to 2,000 characters.
        retryable: whether the node's retry policy applies.
        cause: message of the underlying error.
        retry_after: seconds that the other side asked to wait; instead of the policy's interval.
        usage: what models used before the failure.
        more: further details.
        benign: it is part of the normal course of things: nothing that a worker's log warns of.
    """
    delay = None if retry_after is None else timedelta(seconds=min(max(retry_after, 0.0), LONGEST_WAIT))
    details: dict[str, object] = {
        **(more or {}),
        "code": code,
        "attempt": activity.info().attempt,
        "cause": cause if cause is None else cause[:_MESSAGE_LIMIT],
    }
    if usage is not None:
        details["usage"] = usage.model_dump()
    return ApplicationError(
        message[:_MESSAGE_LIMIT],
        details,
        type=code,
        non_retryable=not retryable,
        next_retry_delay=delay if retryable else None,
        category=ApplicationErrorCategory.BENIGN if benign else ApplicationErrorCategory.UNSPECIFIED,
    )


def final(error: CairnError) -> ApplicationError:
    """Return the domain's error as Temporal carries it: final, unless something did not answer."""
    return application_error(error, retryable=isinstance(error, Unavailable) or error.code == "reset_in_progress")
