"""Keeps lists true: starts what a crash left pending and repairs rows from Temporal. Run by a schedule."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from cairn.contracts.operations import RECONCILE, RECONCILE_WORKFLOW_TYPE, Nothing, ReconcileRequest


@workflow.defn(name=RECONCILE_WORKFLOW_TYPE)
class Reconcile:
    """One spell of reconciling; the schedule starts the next."""

    @workflow.run
    async def run(self, request: ReconcileRequest) -> Nothing:
        """Look again and again for the given time."""
        return await workflow.execute_activity(
            RECONCILE.name,
            request,
            result_type=RECONCILE.output,
            start_to_close_timeout=timedelta(seconds=request.seconds + 60),
            heartbeat_timeout=timedelta(seconds=15),
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=10), maximum_attempts=10),
            summary="reconcile",
        )
