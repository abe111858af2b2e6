"""One firing of a caller's schedule. It is open as long as its execution, so that the schedule knows what overlaps."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import NoReturn

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    TerminatedError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

from cairn.contracts.executions import WORKFLOW_TYPE, ExecutionResult, Phase
from cairn.contracts.schedules import (
    DISCARD_SCHEDULED,
    LOOK_AT_EXECUTION,
    NOTE_SCHEDULED,
    PREPARE_SCHEDULED,
    SCHEDULED_WORKFLOW_TYPE,
    Discarded,
    Fired,
    Firing,
    FiringRequest,
    Look,
    ScheduledExecution,
    StartedScheduled,
)
from workflows.search_attributes import execution_attributes

NOMINAL_TIME = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))
LOOK_AGAIN = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
BRIEFLY = timedelta(seconds=30)


@workflow.defn(name=SCHEDULED_WORKFLOW_TYPE)
class ScheduledStart:
    """The firing: the execution's row, then its workflow as a child, then its end.

    It fails as the execution does (``pause_on_failure`` looks at that), and a cancellation or termination by the
    schedule's overlap policy reaches the execution.
    """

    @workflow.run
    async def run(self, firing: Firing) -> Fired:
        """Start the execution and wait for its end."""
        info = workflow.info()
        made = await workflow.execute_activity(
            PREPARE_SCHEDULED.name,
            FiringRequest(
                schedule_id=firing.schedule_id,
                firing_id=info.workflow_id,
                nominal_time=info.typed_search_attributes.get(NOMINAL_TIME) or info.workflow_start_time,
            ),
            result_type=PREPARE_SCHEDULED.output,
            start_to_close_timeout=BRIEFLY,
            retry_policy=RETRY,
            # The row must not appear after the firing has ended.
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary="prepare",
        )
        if _cancelled():
            await self._discard(made)
        try:
            child = await self._start(made)
        except WorkflowAlreadyStartedError:  # by the reconciler, while no worker took this workflow's task
            return await self._watch(made)
        except (asyncio.CancelledError, ChildWorkflowError):
            await self._discard(made)
        await workflow.execute_local_activity(
            NOTE_SCHEDULED.name,
            StartedScheduled(temporal_id=made.temporal_id, run_id=child.first_execution_run_id or ""),
            result_type=NOTE_SCHEDULED.output,
            start_to_close_timeout=BRIEFLY,
            retry_policy=RETRY,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary="started",
        )
        return await self._end(made, child)

    async def _start(self, made: ScheduledExecution) -> workflow.ChildWorkflowHandle[object, ExecutionResult]:
        return await workflow.start_child_workflow(
            WORKFLOW_TYPE,
            made.start,
            id=made.temporal_id,
            result_type=ExecutionResult,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.TERMINATE,
            cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
            search_attributes=execution_attributes(made.start),
            static_summary=made.summary,
        )

    async def _end(
        self, made: ScheduledExecution, child: workflow.ChildWorkflowHandle[object, ExecutionResult]
    ) -> Fired:
        try:
            if _cancelled():  # while its start was being noted
                child.cancel()
            await child
        except ChildWorkflowError as error:
            cause = error.cause
            if isinstance(cause, TerminatedError):  # or a reset ended the run, and another one goes on
                return await self._watch(made)
            if is_cancelled_exception(error):
                return self._was_cancelled(made)
            if isinstance(cause, ApplicationError):
                raise ApplicationError(cause.message, *cause.details, type=cause.type, non_retryable=True) from error
            raise
        return Fired(execution_id=made.start.execution_id, status=Phase.COMPLETED)

    async def _watch(self, made: ScheduledExecution) -> Fired:
        """Wait for the end of an execution that is no child of this workflow's (any more)."""
        while True:
            try:
                seen = await workflow.execute_activity(
                    LOOK_AT_EXECUTION.name,
                    Look(temporal_id=made.temporal_id),
                    result_type=LOOK_AT_EXECUTION.output,
                    start_to_close_timeout=BRIEFLY,
                    retry_policy=LOOK_AGAIN,
                    summary="look whether it has ended",
                )
            except ActivityError as error:
                if not is_cancelled_exception(error):
                    raise
                await workflow.get_external_workflow_handle(made.temporal_id).cancel()
                continue
            if seen.ended == Phase.FAILED:
                raise ApplicationError("the execution failed", type="execution_failed", non_retryable=True)
            if seen.ended == Phase.CANCELLED:
                return self._was_cancelled(made)
            return Fired(execution_id=made.start.execution_id, status=Phase.COMPLETED)

    def _was_cancelled(self, made: ScheduledExecution) -> Fired:
        if _cancelled():
            raise asyncio.CancelledError
        return Fired(execution_id=made.start.execution_id, status=Phase.CANCELLED)

    async def _discard(self, made: ScheduledExecution) -> NoReturn:
        """Let the execution that was not started be a cancelled one. Raises the cancellation."""
        await workflow.execute_local_activity(
            DISCARD_SCHEDULED.name,
            Discarded(temporal_id=made.temporal_id),
            result_type=DISCARD_SCHEDULED.output,
            start_to_close_timeout=BRIEFLY,
            retry_policy=RETRY,
            summary="cancelled before it was started",
        )
        raise asyncio.CancelledError


def _cancelled() -> bool:
    """Whether this workflow has been asked to cancel, which the SDK tells once and what waits may swallow."""
    return workflow.cancellation_reason() is not None
