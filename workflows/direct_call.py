"""A direct call of a model: one activity, which its caller waits for."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from cairn.contracts.direct_calls import CALL_DIRECTLY, DIRECT_CALL_WORKFLOW_TYPE, DirectAnswer, DirectRequest

_HEARTBEAT = timedelta(seconds=30)
_RETRY = RetryPolicy(maximum_attempts=3)


@workflow.defn(name=DIRECT_CALL_WORKFLOW_TYPE)
class DirectCall:
    """Calls a model once."""

    @workflow.run
    async def run(self, request: DirectRequest) -> DirectAnswer:
        """Return what the model answers."""
        return await workflow.execute_activity(
            CALL_DIRECTLY.name,
            request,
            result_type=CALL_DIRECTLY.output,
            schedule_to_close_timeout=timedelta(seconds=request.timeout),
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
            summary=request.use_case,
        )
