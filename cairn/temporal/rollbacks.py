"""What a rollback does before its reset: it holds the execution and finds out what is to be undone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from cairn import errors
from cairn.contracts.executions import UPDATE_PAUSE, Pause, Phase
from cairn.contracts.resets import HOLD, PlanRequest, ResetRequest, RollbackPlan
from cairn.temporal.executions import Description, ExecutionClient
from cairn.temporal.impact import compensates, undoable_under_way

_POLL = 0.1


class RollbackClient:
    """Rollbacks of executions, up to their reset."""

    def __init__(self, executions: ExecutionClient) -> None:
        """Take the client of executions."""
        self.executions = executions

    async def plan(self, asked: PlanRequest, beat: Callable[[], None]) -> RollbackPlan:
        """Return what the rollback goes back over. An execution whose graph declares compensations is paused for it.

        Work that could be undone once it has ended is waited for, for some seconds.

        Args:
            asked: the rollback.
            beat: called while waiting.

        Raises:
            Conflict: another reset came first (``superseded``), or the revision is stale.
            NotFound: the run has no such checkpoint (any more).
            Unavailable: Temporal or the worker does not answer.
        """
        request = asked.request
        now = await self._current(request)
        held = False
        if compensates(await self.executions.project(now)):
            held = await self._hold(asked, now)
            await self._wait(request, beat)
        elif asked.round == 0 and request.expected_revision not in (None, now.revision):
            raise _stale(now.revision, request)
        now = await self._current(request)
        checkpoint = (await self.executions.project(now)).find(request.checkpoint_id)
        if checkpoint is None:
            raise errors.NotFound("The execution has no such checkpoint any more", code="checkpoint_not_found")
        after = await self.executions.aftermath(now, checkpoint)
        return RollbackPlan(steps=after.rollback(reuse_completed=request.reuse_completed), held=held)

    async def _current(self, request: ResetRequest) -> Description:
        now = await self.executions.require(request.temporal_id)
        if not await self.executions.continues(now, request.base_run_id):
            raise errors.Conflict("Another reset of the execution came first", code="superseded")
        return now

    async def _hold(self, asked: PlanRequest, now: Description) -> bool:
        """Pause the execution, so that no new effect comes while others are undone; return whether it was running."""
        request = asked.request
        update_id = f"{request.operation_id}/hold/{asked.round}"
        expected = request.expected_revision if asked.round == 0 else None
        if now.phase is Phase.RUNNING:
            command = Pause(lineage=now.run_id, reason="a rollback undoes effects", expected_revision=expected)
            try:
                await self.executions.command(now, UPDATE_PAUSE, command, update_id=update_id)
            except errors.Conflict as error:
                if error.code != "execution_closed":
                    raise
            return True
        if await self.executions.carried_out(now, update_id):
            return True
        if expected not in (None, now.revision):
            raise _stale(now.revision, request)
        return False

    async def _wait(self, request: ResetRequest, beat: Callable[[], None]) -> None:
        end = time.monotonic() + HOLD
        while time.monotonic() < end:
            beat()
            now = await self._current(request)
            closed = now.phase not in (Phase.RUNNING, Phase.PAUSED)
            if closed or not undoable_under_way(await self.executions.project(now)):
                return
            await asyncio.sleep(_POLL)


def _stale(revision: int, request: ResetRequest) -> errors.Conflict:
    return errors.Conflict(
        f"The execution is at revision {revision}, not {request.expected_revision}",
        code="stale_revision",
        extra={"revision": revision},
    )
