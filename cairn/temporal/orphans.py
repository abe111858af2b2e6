"""Children that a reset leaves behind: the discarded line started them after the point, the new one knows them not."""

from __future__ import annotations

from collections.abc import Callable

from cairn.contracts.resets import ResetRequest
from cairn.temporal.connection import RPC_TIMEOUT, UnlessUnknown, answered
from cairn.temporal.executions import ExecutionClient


async def stop_orphans(executions: ExecutionClient, request: ResetRequest, beat: Callable[[], None]) -> list[str]:
    """Cancel every child that was started after the point; return their Temporal ids, oldest first.

    Args:
        executions: the client.
        request: a reset that has been made.
        beat: called between two calls.

    Raises:
        Unavailable: Temporal does not answer.
    """
    started: list[str] = []
    # The base run may have gone on in others while the reset was under way.
    run_id: str | None = await executions.reader.newest(request.temporal_id, request.base_run_id)
    holder = request.run_id or request.base_run_id
    with UnlessUnknown():  # retention may have removed the older ones
        while run_id is not None:
            beat()
            after = request.reset_event_id if run_id == holder else 0
            started = await executions.reader.children_after(request.temporal_id, run_id, after) + started
            run_id = None if run_id == holder else await executions.reader.continued_from(request.temporal_id, run_id)
    for temporal_id in started:
        beat()
        await cancel(executions, temporal_id)
    return started


async def cancel(executions: ExecutionClient, temporal_id: str) -> None:
    """Ask for the cancellation of a workflow; one that has ended stays as it is.

    Raises:
        Unavailable: Temporal does not answer.
    """
    handle = executions.client.get_workflow_handle(temporal_id)
    with UnlessUnknown():  # it has ended, or was never started
        await answered(handle.cancel(rpc_timeout=RPC_TIMEOUT))
