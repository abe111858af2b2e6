"""Removes stored payloads that no history refers to any more. Run by a schedule."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from cairn.contracts.blobs import BLOBS_WORKFLOW_TYPE, COLLECT_BLOBS, Swept
from cairn.contracts.operations import Nothing


@workflow.defn(name=BLOBS_WORKFLOW_TYPE)
class CollectBlobs:
    """One sweep."""

    @workflow.run
    async def run(self, request: Nothing) -> Swept:
        """Sweep once; what fails is left to the next day."""
        return await workflow.execute_activity(
            COLLECT_BLOBS.name,
            request,
            result_type=COLLECT_BLOBS.output,
            start_to_close_timeout=timedelta(hours=12),
            heartbeat_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=10), maximum_attempts=10),
            summary="collect blobs",
        )
