"""Writing down the call of a voice graph when it has ended."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from cairn.contracts.calls import RECORD_CALL, CallRecord
from cairn.contracts.operations import Nothing
from cairn.graph.after_call import record_of
from cairn.graph.engine import Engine
from workflows.failures import is_cancelled

_PATIENT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))


class CallTeller:
    """Tells of the call of one execution, and again when more is known of it."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine of the execution."""
        self._engine = engine
        self._told: CallRecord | None = None

    def due(self) -> CallRecord | None:
        """Return what is to be told now, if anything is new."""
        call = self._engine.state.call if self._engine.started else None
        if call is None or (self._told is not None and call.ended_at is None):
            return None
        info = workflow.info()
        found = record_of(self._engine.state, self._engine.phase, info.workflow_id, info.run_id, workflow.now())
        if found == self._told:
            return None
        self._told = found
        return found


async def record_call(told: CallRecord) -> None:
    """Have an activity write down a call; as long as that takes, the execution does not end."""
    try:
        await workflow.execute_activity(
            RECORD_CALL.name,
            told,
            result_type=Nothing,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=_PATIENT,
            summary="record the call",
        )
    except ActivityError as error:
        if not is_cancelled(error.cause):
            workflow.logger.warning("a call could not be written down", exc_info=True)
