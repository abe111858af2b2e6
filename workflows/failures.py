"""What Temporal says of work that ended, as the engine takes it. Used live and over stored histories."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    RetryState,
    TerminatedError,
    TimeoutError,
    TimeoutType,
)

from cairn.contracts.children import MapResult, map_value
from cairn.contracts.executions import ExecutionResult, NodeFailure, Usage
from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import OVER_BUDGET, PARKED, NodeResult
from cairn.errors import CairnError
from cairn.graph.state import Child, Run


def end_taken(child: asyncio.Task[Any]) -> None:
    """Take how a child ended that perhaps nobody waits for any more: else asyncio logs it as an error."""
    if not child.cancelled():
        child.exception()


def is_parked(cause: BaseException | None) -> bool:
    """Whether a reset had dispatched the activity and it refused to run."""
    return isinstance(cause, ApplicationError) and cause.type == PARKED


def held(cause: BaseException | None, rules: int) -> str | None:
    """Return why work may ask no model for the present, so that its execution pauses; None when it failed.

    Args:
        cause: the activity's own error.
        rules: of the engine; before 5 a monthly budget that is used up fails the node.
    """
    if rules > 4 and isinstance(cause, ApplicationError) and cause.type == OVER_BUDGET:
        return cause.message
    return None


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
        if isinstance(cause.cause, ApplicationError) and cause.cause.type == "PayloadKeyUnknown":
            # A worker without the key of a payload could not even read what it was asked to do.
            return _failure(run, "payload_key_unknown", f"node {run.summary!r} failed: {cause.message}", tried, None)
        details = _told(cause)
        return _failure(
            run,
            cause.type or "error",
            f"node {run.summary!r} failed: {cause.message}",
            int(details.get("attempt") or tried),
            details.get("cause"),
            details.get("usage"),
        )
    return _failure(run, "error", f"node {run.summary!r} failed: {cause}", tried, None)


def failure_details(failure: NodeFailure, usage: Usage) -> JsonObject:
    """Return what an execution, or a map, tells its parent of its failure: also what it has used of models."""
    return {**failure.model_dump(), **({"usage": usage.model_dump()} if usage.requests else {})}


def child_failure(child: Child, cause: BaseException | None) -> NodeFailure:
    """Return why a child execution, or a map, failed for good."""
    code, message = "error", str(cause)
    if isinstance(cause, ApplicationError):
        code, message = cause.type or code, cause.message
    elif isinstance(cause, CancelledError):
        code, message = "cancelled", "it was cancelled"
    elif isinstance(cause, TerminatedError):
        code, message = "terminated", "it was terminated"
    elif isinstance(cause, TimeoutError):
        code, message = "timeout", "it took too long"
    return NodeFailure(
        code=code,
        message=f"node {child.summary!r} failed: {message}",
        node_id=child.node_id,
        visit=child.visit,
        usage=_told(cause).get("usage"),
    )


def child_result(child: Child, result: ExecutionResult | MapResult) -> NodeResult:
    """Return what a child brought, as the engine takes it. Used live and over stored histories."""
    if isinstance(result, MapResult):
        value = map_value(result, child.data["on_error"] == "collect")
        return NodeResult(value=value, usage=result.usage)
    return NodeResult(value=result.output, usage=result.usage)


def application_error(error: CairnError, *, retryable: bool = False) -> ApplicationError:
    """Return the domain's error as Temporal carries it; ``cairn.temporal.updates.from_application`` reads it."""
    details = {
        "status": error.status,
        "errors": [{"pointer": e.pointer, "message": e.message} for e in error.errors],
        "extra": error.extra,
    }
    return ApplicationError(error.message, details, type=error.code, non_retryable=not retryable)


@contextmanager
def refusals_told() -> Generator[None]:
    """Have callers hear the domain's errors of the block as ``application_error`` says them."""
    try:
        yield
    except CairnError as error:
        raise application_error(error) from error


def _told(cause: BaseException | None) -> JsonObject:
    first = cause.details[0] if isinstance(cause, ApplicationError) and cause.details else None
    return cast("JsonObject", first) if isinstance(first, dict) else {}


def _failure(
    run: Run, code: str, message: str, attempt: int, cause: str | None, usage: Usage | None = None
) -> NodeFailure:
    return NodeFailure(
        code=code,
        message=message,
        node_id=run.node_id,
        visit=run.visit,
        attempt=attempt,
        cause=cause,
        usage=usage,
    )
