"""How an execution has itself cancelled."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

from cairn.contracts.operations import REQUEST_CANCEL, CancelRequest


async def request_cancel(*, announce: bool) -> None:
    """Ask Temporal to cancel this very run, so that it ends as cancelled for every observer.

    Args:
        announce: only ask for another workflow task, in which to ask for that. A task may be lost with the commands
            that it accepted; what a local activity has done in it remains.
    """
    info = workflow.info()
    await workflow.execute_local_activity(
        REQUEST_CANCEL.name,
        CancelRequest(temporal_id=info.workflow_id, run_id=info.run_id, announce=announce),
        result_type=REQUEST_CANCEL.output,
        start_to_close_timeout=timedelta(seconds=10),
        summary="cancelling" if announce else "cancel",
    )
