"""Errors of models and agents, as the workflow reads them.

Retryable: ``rate_limited``, ``model_unavailable`` (408, 409, 5xx), ``timeout``, ``connection_error``, ``invalid_reply``
(cut off or not JSON) and ``model_behavior`` (the model kept breaking the schema or a tool's arguments).
Not retryable: ``model_unauthorized``, ``model_not_found``, ``model_rejected`` (400 and the like), ``context_too_long``,
``quota_exceeded``, ``content_filtered``, ``budget_exceeded``, ``max_turns``, ``model_limit``, ``invalid_agent``,
``address_refused``.
"""

from __future__ import annotations

import traceback

from pydantic_ai import exceptions
from pydantic_ai.usage import UsageLimits
from temporalio.exceptions import ApplicationError

from activities.failures import node_error
from cairn.contracts.executions import Usage
from cairn.observability.redaction import hidden
from cairn.providers.http import AddressRefused
from cairn.providers.llm import ModelLimit

_TRANSIENT = frozenset({408, 409, 425, 429})

# The first class that fits decides; subclasses stand before their bases.
_CODES: tuple[tuple[type[Exception], str, bool], ...] = (
    (exceptions.ModelQuotaExceededError, "quota_exceeded", False),
    (exceptions.ModelRateLimitError, "rate_limited", True),
    (exceptions.ModelTimeoutError, "timeout", True),
    (exceptions.ModelRequestTimeout, "timeout", True),
    (exceptions.ModelConnectionError, "connection_error", True),
    (exceptions.ModelUnavailableError, "model_unavailable", True),
    (exceptions.ModelServerError, "model_unavailable", True),
    (exceptions.ModelContextWindowExceededError, "context_too_long", False),
    (exceptions.ModelAuthenticationError, "model_unauthorized", False),
    (exceptions.ModelNotFoundError, "model_not_found", False),
    (exceptions.ModelRequestRejectedError, "model_rejected", False),
    (exceptions.ContentFilterError, "content_filtered", False),
    (exceptions.UnexpectedModelBehavior, "model_behavior", True),
    (exceptions.UserError, "invalid_agent", False),
    (ModelLimit, "model_limit", False),
)


def agent_error(error: Exception, usage: Usage, limits: UsageLimits, secret: str) -> Exception:
    """Return the error to raise for an agent that failed.

    Args:
        error: what the run raised.
        usage: what it had used until then; part of the error's details.
        limits: those it ran under.
        secret: the key that was sent, which must not be told, however the other side repeats it; may be empty.

    Raises:
        ApplicationError: the error, where it is one already.
    """
    if isinstance(error, ApplicationError):
        raise error  # as it is: raised from itself it would be its own cause, without end
    refused = _refused(error)
    if refused is not None:
        return node_error("address_refused", str(refused), retryable=False, usage=usage)
    code, retryable = _classify(error, usage, limits)
    retry_after = error.retry_after if isinstance(error, exceptions.ModelAPIError) else None
    cause = None if error.__cause__ is None else f"{type(error.__cause__).__name__}: {error.__cause__}"
    message, cause = hidden(str(error), [secret]), cause and hidden(cause, [secret])
    return node_error(code, message, retryable=retryable, cause=cause, retry_after=retry_after, usage=usage)


def cause_of(error: Exception, secret: str) -> Exception | None:
    """Return what an error may name as its cause, which is told in full: nothing that repeats the key."""
    told = "".join(traceback.format_exception(error))
    return error if hidden(told, [secret]) == told else None


def _refused(error: BaseException | None) -> AddressRefused | None:
    """Return why an address was not connected to; the libraries of providers wrap it up."""
    while error is not None and not isinstance(error, AddressRefused):
        error = error.__cause__ or error.__context__
    return error


def _classify(error: Exception, usage: Usage, limits: UsageLimits) -> tuple[str, bool]:
    if isinstance(error, exceptions.UsageLimitExceeded):
        over_budget = limits.cost_limit is not None and (usage.cost or 0) > float(limits.cost_limit)
        return ("budget_exceeded" if over_budget else "max_turns"), False
    if isinstance(error, exceptions.ModelHTTPError) and error.status_code in _TRANSIENT:
        quota = isinstance(error, exceptions.ModelQuotaExceededError)
        limited = error.status_code == 429
        return ("quota_exceeded" if quota else "rate_limited" if limited else "model_unavailable"), not quota
    for kind, code, retryable in _CODES:
        if isinstance(error, kind):
            return code, retryable
    if isinstance(error, exceptions.ModelHTTPError):
        return ("model_unavailable", True) if error.status_code >= 500 else ("model_rejected", False)
    if isinstance(error, exceptions.ModelAPIError):
        return "invalid_reply", True
    return "agent_error", True
