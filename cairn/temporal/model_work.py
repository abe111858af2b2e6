"""Work that a request waits for: a worker's model does it in a workflow, once however often the request is sent."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, WorkflowAlreadyStartedError

from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import OVER_BUDGET
from cairn.errors import RateLimited
from cairn.settings import Settings
from cairn.temporal.connection import RPC_TIMEOUT, answered
from cairn.temporal.priority import priority_of

Result = TypeVar("Result", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ModelWork(Generic[Result]):
    """A kind of work.

    Attributes:
        workflow_type: name of its workflow.
        prefix: of its workflow ids.
        result: what it gives.
        longest: how long it may take at most.
        summary: what the Temporal Web UI says of it.
    """

    workflow_type: str
    prefix: str
    result: type[Result]
    longest: timedelta
    summary: str

    def id_of(self, tenant: str, key: str | None) -> str:
        """Return the workflow id: the same for each try of a request with a key."""
        name = hashlib.sha256(f"{tenant}/{key}".encode()).hexdigest()[:32] if key else uuid.uuid4().hex
        return f"{self.prefix}/{name}"

    async def start(
        self, client: Client, settings: Settings, request: BaseModel, tenant: str, workflow_id: str
    ) -> WorkflowHandle[Any, Result]:
        """Start the work, or find what an earlier try of the same request has started.

        Raises:
            Unavailable: Temporal does not answer.
        """
        # Already started: by an earlier try of the same request, and its result is there.
        with contextlib.suppress(WorkflowAlreadyStartedError):
            await answered(
                client.start_workflow(
                    self.workflow_type,
                    request,
                    id=workflow_id,
                    task_queue=settings.task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    execution_timeout=self.longest,
                    static_summary=self.summary,
                    priority=priority_of(tenant, {}, settings),
                    rpc_timeout=RPC_TIMEOUT,
                )
            )
        return client.get_workflow_handle(workflow_id, result_type=self.result)


def failure_code(error: WorkflowFailureError, otherwise: str) -> str:
    """Return the machine-readable code of why the work failed.

    Raises:
        RateLimited: the monthly budget was used up (``budget_exceeded``).
    """
    cause: BaseException | None = error.cause
    while isinstance(cause, ActivityError) and cause.cause is not None:
        cause = cause.cause
    if isinstance(cause, TimeoutError):
        # The last try's own error tells more than that there was no time for another one.
        tried = cause.__cause__
        return tried.type if isinstance(tried, ApplicationError) and tried.type else "timeout"
    if isinstance(cause, ApplicationError) and cause.type == OVER_BUDGET:
        raise _over_budget(cause) from error
    return cause.type if isinstance(cause, ApplicationError) and cause.type else otherwise


def _over_budget(cause: ApplicationError) -> RateLimited:
    told: JsonObject = cause.details[0]
    left = datetime.fromisoformat(told["resets_at"]) - datetime.now(UTC)
    extra = {name: told[name] for name in ("resets_at", "limit", "scope")}
    return RateLimited(cause.message, code="budget_exceeded", retry_after=max(left.total_seconds(), 1), extra=extra)
