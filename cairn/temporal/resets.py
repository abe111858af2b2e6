"""Resets in Temporal: the durable operation ``ResetExecution`` and the calls that its activities make."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from cairn import errors
from cairn.contracts.executions import CLOSED, UPDATE_PATCH, UPDATE_RESUME, DoneWork, Patch, Resume
from cairn.contracts.operations import RESET_WORKFLOW_TYPE, reset_workflow_id
from cairn.contracts.resets import ResetOutcome, ResetRequest
from cairn.temporal import versions
from cairn.temporal.connection import RETRY_AFTER, RPC_TIMEOUT, answered, is_unknown
from cairn.temporal.executions import Description, ExecutionClient
from cairn.temporal.updates import from_application

ResetHandle: TypeAlias = WorkflowHandle[Any, ResetOutcome]

MEMO_REQUEST = "request"
_RESET_TIMEOUT = timedelta(seconds=10)

_NEVER = (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.NOT_FOUND)
"""What the server answers to a reset that it would refuse again."""

# Nothing that was sent to the discarded line may act on the new one.
_EXCLUDED = [
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_NEXUS,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_CANCEL_REQUEST,
]


class ResetClient:
    """Resets of executions."""

    def __init__(self, executions: ExecutionClient) -> None:
        """Take the client of executions."""
        self.executions = executions
        self.client = executions.client

    async def open(self, temporal_id: str, request_digest: str) -> ResetHandle | None:
        """Return the execution's reset that is under way, if it is what this request asks for.

        Raises:
            Conflict: another reset is under way.
            Unavailable: Temporal does not answer.
        """
        handle = self.client.get_workflow_handle(reset_workflow_id(temporal_id), result_type=ResetOutcome)
        try:
            found = await answered(handle.describe(rpc_timeout=RPC_TIMEOUT))
        except RPCError as error:
            if is_unknown(error):
                return None
            raise
        if found.close_time is not None:
            return None
        if (await found.memo()).get(MEMO_REQUEST) != request_digest:
            raise errors.Conflict(
                "Another reset of the execution is under way", code="reset_in_progress", retry_after=1.0
            )
        return self.client.get_workflow_handle(found.id, run_id=found.run_id, result_type=ResetOutcome)

    async def made(self, now: Description, operation_id: str, *, ever: bool = False) -> str | None:
        """Return the run that an operation made by resetting the execution; None when it has not.

        Args:
            now: the execution.
            operation_id: the operation.
            ever: look also into the runs that later resets have replaced, one after the other.

        Raises:
            Unavailable: Temporal does not answer.
        """
        run: Description | None = now
        while run is not None:
            resets = (await self.executions.project(run)).every_reset
            made = next((reset for reset in resets if reset.reason == operation_id), None)
            if made is not None:
                return made.new_run_id
            base = resets[-1].base_run_id if resets and ever else None
            run = await self.executions.describe(now.temporal_id, base) if base else None
        return None

    async def begin(self, request: ResetRequest) -> ResetHandle:
        """Begin the reset, or join it when another request of the same kind was faster.

        Raises:
            Conflict: another reset is under way.
            Unavailable: Temporal does not answer.
        """
        try:
            return await answered(
                self.client.start_workflow(
                    RESET_WORKFLOW_TYPE,
                    request,
                    id=reset_workflow_id(request.temporal_id),
                    task_queue=self.executions.settings.task_queue,
                    result_type=ResetOutcome,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    memo={MEMO_REQUEST: request.request_digest},
                    static_summary=f"{request.kind} of {request.execution_id} to {request.checkpoint_name}",
                    rpc_timeout=RPC_TIMEOUT,
                )
            )
        except WorkflowAlreadyStartedError as error:
            handle = await self.open(request.temporal_id, request.request_digest)
            if handle is None:
                raise errors.Conflict("Another reset of the execution came first", code="superseded") from error
            return handle

    async def outcome(self, handle: ResetHandle, wait: float) -> ResetOutcome:
        """Wait for the reset to end.

        Args:
            handle: of the operation.
            wait: seconds.

        Raises:
            Conflict: another reset came first, or the revision is stale.
            Unavailable: it is not done in time (it goes on), or Temporal does not answer.
        """
        try:
            return await asyncio.wait_for(answered(handle.result(), within=None), wait)
        except TimeoutError:
            raise errors.Unavailable(
                "The reset waits for a worker; send the request again to hear how it ended",
                code="reset_pending",
                retry_after=RETRY_AFTER,
            ) from None
        except WorkflowFailureError as error:
            cause = error.cause
            raise from_application(cause.cause if isinstance(cause, ActivityError) else cause) from error

    # What the activities of ``ResetExecution`` do.

    async def make(self, request: ResetRequest) -> str:
        """Reset the base run to the point, once however often it is asked; return the id of the run made.

        Raises:
            Conflict: another reset came first (``superseded``), the revision is stale, or no worker can go on with it.
        """
        now = await self.executions.require(request.temporal_id)
        if not await self.executions.continues(now, request.base_run_id):
            made = await self.made(now, request.operation_id)
            if made is not None:
                return made
            raise errors.Conflict("Another reset of the execution came first", code="superseded")
        if request.expected_revision is not None and now.revision != request.expected_revision:
            raise errors.Conflict(
                f"The execution is at revision {now.revision}, not {request.expected_revision}",
                code="stale_revision",
                extra={"revision": now.revision},
            )
        operations = await versions.after_reset(self.executions, now, request.reset_event_id)
        try:
            reply = await answered(
                self.client.workflow_service.reset_workflow_execution(
                    ResetWorkflowExecutionRequest(
                        namespace=self.client.namespace,
                        workflow_execution=WorkflowExecution(
                            workflow_id=request.temporal_id, run_id=request.run_id or request.base_run_id
                        ),
                        reason=request.operation_id,
                        workflow_task_finish_event_id=request.reset_event_id,
                        request_id=request.operation_id,
                        reset_reapply_exclude_types=_EXCLUDED,
                        post_reset_operations=operations,
                    ),
                    timeout=_RESET_TIMEOUT,
                ),
                within=_RESET_TIMEOUT,
            )
        except RPCError as error:
            if error.status in _NEVER:
                raise errors.Conflict("Temporal cannot reset to the checkpoint", code="not_resettable") from error
            raise
        return reply.run_id

    async def finish(self, request: ResetRequest, run_id: str, beat: Callable[[], None]) -> ResetOutcome:
        """Wait until the reset has landed; resume a replay, patch a rollback.

        Args:
            request: the reset.
            run_id: the run it made.
            beat: called while waiting.

        Raises:
            Conflict: another reset came while this one landed, or the execution was ended.
        """
        now = await self._landed(request, run_id, beat)
        if now.run_id != run_id:  # it was resumed, and goes on in another run already
            return ResetOutcome(run_id=run_id, revision=now.revision, phase=now.phase)
        patches: dict[str, Any] = {
            "input_patch": request.input_patch,
            "state_patch": request.state_patch,
            "done": await self._kept(request),
        }
        if request.kind == "replay":
            command = Resume(lineage=run_id, seeds=request.seeds, **patches)
            done = await self.executions.command(now, UPDATE_RESUME, command, update_id=request.operation_id)
        elif any(patch not in (None, []) for patch in patches.values()):
            command = Patch(lineage=run_id, **patches)
            done = await self.executions.command(now, UPDATE_PATCH, command, update_id=request.operation_id)
        else:
            return ResetOutcome(run_id=run_id, revision=now.revision, phase=now.phase)
        return ResetOutcome(run_id=run_id, revision=done.revision, phase=done.phase)

    async def _kept(self, request: ResetRequest) -> list[DoneWork]:
        """Return what siblings of the checkpoint's branch had brought in the line that was reset."""
        if not request.reuse_completed:
            return []
        # The base run may have gone on in others while the reset was under way.
        run_id = await self.executions.reader.newest(request.temporal_id, request.base_run_id)
        base = await self.executions.describe(request.temporal_id, run_id)
        if base is None:
            return []
        checkpoint = (await self.executions.project(base)).find(request.checkpoint_id)
        return [] if checkpoint is None else (await self.executions.aftermath(base, checkpoint)).done_work()

    async def _landed(self, request: ResetRequest, run_id: str, beat: Callable[[], None]) -> Description:
        """Wait for the first workflow task after the reset: a command that came before it would be lost."""
        while True:
            beat()
            now = await self.executions.require(request.temporal_id)
            if not await self.executions.continues(now, run_id):
                raise errors.Conflict("Another reset of the execution came first", code="superseded")
            if (await self.executions.project(now)).landed_after_reset:
                return now
            if now.phase in CLOSED:
                raise errors.Conflict("The execution was ended before it had landed", code="execution_closed")
            await asyncio.sleep(0.02 if await versions.served(self.executions, now) else 0.5)
