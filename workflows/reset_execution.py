"""One reset of an execution, as a durable operation of its own: it is made once and ends, whatever dies meanwhile."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from cairn.contracts.executions import ResetOutcome, ResetRequest
from cairn.contracts.operations import AFTER_RESET, MAKE_RESET, RESET_WORKFLOW_TYPE, ResumeAfterReset

RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))


@workflow.defn(name=RESET_WORKFLOW_TYPE)
class ResetExecution:
    """The reset: Temporal's own, then what follows it (resume for a replay, patches for a rollback)."""

    @workflow.run
    async def run(self, request: ResetRequest) -> ResetOutcome:
        """Make the reset and wait until it has landed."""
        made = await workflow.execute_activity(
            MAKE_RESET.name,
            request,
            result_type=MAKE_RESET.output,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RETRY,
            summary=f"reset to {request.checkpoint_name}",
        )
        return await workflow.execute_activity(
            AFTER_RESET.name,
            ResumeAfterReset(request=request, run_id=made.run_id),
            result_type=AFTER_RESET.output,
            start_to_close_timeout=timedelta(days=30),
            heartbeat_timeout=timedelta(seconds=15),
            retry_policy=RETRY,
            summary="wait for it to land" if request.kind == "rollback" else "resume",
        )
