"""Signals to executions: they are taken by the server, also while no worker runs."""

from __future__ import annotations

from temporalio.service import RPCError

from cairn.contracts.executions import SIGNAL_EVENT, OutsideEvent
from cairn.graph import waits
from cairn.temporal.connection import RPC_TIMEOUT, answered, is_unknown
from cairn.temporal.executions import Description, ExecutionClient


async def has_room(temporal: ExecutionClient, now: Description, event: OutsideEvent) -> bool:
    """Whether an execution can take one more outside event, besides those that it keeps and those on their way to it.

    Raises:
        Unavailable: Temporal does not answer.
    """
    run = await temporal.projections.alone(now)
    state = run.engine.state if run.engine.started else None
    on_their_way = [told.signal for told in run.signals if isinstance(told.signal, OutsideEvent)]
    return waits.has_room(state, [*(state.inbox if state else ()), *run.engine.early, *on_their_way], event)


async def was_told(temporal: ExecutionClient, now: Description, event_id: str) -> bool:
    """Whether the run as described was told of an outside event; the last thousand of its line are remembered.

    Raises:
        Unavailable: Temporal does not answer.
    """
    run = await temporal.projections.alone(now)
    heard = run.engine.state.heard if run.engine.started else []
    kept = [told.signal for told in run.signals if isinstance(told.signal, OutsideEvent)]
    return event_id in heard or any(event_id == each.event_id for each in (*run.engine.early, *kept))


async def signal_event(temporal: ExecutionClient, now: Description, event: OutsideEvent) -> bool:
    """Tell a run of an outside event; return False when the run has ended meanwhile.

    Raises:
        Unavailable: Temporal does not answer.
    """
    handle = temporal.client.get_workflow_handle(now.temporal_id, run_id=now.run_id)
    try:
        await answered(handle.signal(SIGNAL_EVENT, event, rpc_timeout=RPC_TIMEOUT))
    except RPCError as error:
        if is_unknown(error):
            return False
        raise
    return True
