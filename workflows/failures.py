"""What Temporal says of a failed activity, as the engine's ``NodeFailure``. Used live and over stored histories."""

from __future__ import annotations

from typing import cast

from temporalio.exceptions import ApplicationError, CancelledError, RetryState, TimeoutError, TimeoutType

from cairn.contracts.executions import NodeFailure
from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import PARKED
from cairn.errors import CairnError
from cairn.graph.state import Run


def is_parked(cause: BaseException | None) -> bool:
    """Whether a reset had dispatched the activity and it refused to run."""
    return isinstance(cause, ApplicationError) and cause.type == PARKED


def is_cancelled(cause: BaseException | None) -> bool:
    """Whether the activity ended because its execution is being cancelled."""
    return isinstance(cause, CancelledError)


def node_failure(run: Run, cause: BaseException | None, retry_state: RetryState | None) -> NodeFailure:
    """Return why a piece of work failed for good.

    Args:
        run: the work.
        cause: the activity's own error.
        retry_state: why Temporal does not try again.
    """
    tried = run.retry.max_attempts if retry_state == RetryState.MAXIMUM_ATTEMPTS_REACHED else 1
    if isinstance(cause, TimeoutError):
        what = "stopped answering" if cause.type == TimeoutType.HEARTBEAT else f"took longer than {run.timeout} s"
        return _failure(run, "timeout", f"node {run.summary!r} {what}", tried, None)
    if isinstance(cause, ApplicationError):
        first = cause.details[0] if cause.details else None
        details = cast("JsonObject", first) if isinstance(first, dict) else {}
        return _failure(
            run,
            cause.type or "error",
            f"node {run.summary!r} failed: {cause.message}",
            int(details.get("attempt") or tried),
            details.get("cause"),
        )
    return _failure(run, "error", f"node {run.summary!r} failed: {cause}", tried, None)


def application_error(error: CairnError, *, retryable: bool = False) -> ApplicationError:
    """Return the domain's error as Temporal carries it; ``cairn.temporal.executions.from_application`` reads it."""
    details = {
        "status": error.status,
        "errors": [{"pointer": e.pointer, "message": e.message} for e in error.errors],
        "extra": error.extra,
    }
    return ApplicationError(error.message, details, type=error.code, non_retryable=not retryable)


def _failure(run: Run, code: str, message: str, attempt: int, cause: str | None) -> NodeFailure:
    return NodeFailure(code=code, message=message, node_id=run.node_id, visit=run.visit, attempt=attempt, cause=cause)
