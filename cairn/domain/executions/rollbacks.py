"""What a rollback does before its reset, and after it: it holds what it goes back over, and finds out what to undo."""

from __future__ import annotations

import asyncio
import time

from cairn import errors
from cairn.contracts.executions import UPDATE_PAUSE, Pause, Phase
from cairn.contracts.resets import HOLD, PlanRequest, ResetRequest, RollbackPlan
from cairn.domain.executions.discarded import Discarded, discarded
from cairn.persistence.session import Database
from cairn.temporal.executions import Description, ExecutionClient
from cairn.temporal.impact import undoable_under_way
from cairn.temporal.orphans import cancel

STOP = 30.0
"""Seconds that a rollback waits for the end of children that it has cancelled."""

_POLL = 0.1
_OPEN = (Phase.RUNNING, Phase.PAUSED)


class Rollbacks:
    """Plans of rollbacks."""

    def __init__(self, database: Database, executions: ExecutionClient) -> None:
        """Take the process's database and client."""
        self.database = database
        self.executions = executions

    async def plan(self, asked: PlanRequest) -> RollbackPlan:
        """Return what the rollback goes back over, in the execution and below it.

        Where a graph declares compensations the execution is paused for it, and the children that the reset leaves
        behind are stopped: what they do is to have ended before it is undone. Work that could be undone once it has
        ended is waited for, for some seconds.

        Raises:
            Conflict: another reset came first (``superseded``), or the revision is stale.
            NotFound: the run has no such checkpoint (any more).
            Unavailable: Temporal or the worker does not answer.
        """
        request = asked.request
        if asked.made:
            run_id = await self.executions.reader.newest(request.temporal_id, request.base_run_id)
            base = await self.executions.describe(request.temporal_id, run_id)
            # None: retention has removed it.
            return RollbackPlan(steps=(await self._ended(request, base)).steps) if base is not None else RollbackPlan()
        now = await self._current(request)
        found = await self._discarded(request, now)
        if not found.compensates:
            if asked.round == 0 and request.expected_revision not in (None, now.revision):
                raise _stale(now.revision, request)
            return RollbackPlan(steps=found.steps)
        held = await self._hold(asked, now)
        await self._quieten(request, found.open)
        for child in found.children:
            await cancel(self.executions, child)
        return RollbackPlan(steps=(await self._ended(request)).steps, held=held)

    async def _current(self, request: ResetRequest) -> Description:
        now = await self.executions.require(request.temporal_id)
        if not await self.executions.continues(now, request.base_run_id):
            raise errors.Conflict("Another reset of the execution came first", code="superseded")
        return now

    async def _discarded(self, request: ResetRequest, now: Description) -> Discarded:
        checkpoint = (await self.executions.project(now)).find(request.checkpoint_id)
        if checkpoint is None:
            raise errors.NotFound("The execution has no such checkpoint any more", code="checkpoint_not_found")
        after = await self.executions.aftermath(now, checkpoint)
        async with self.database.session() as session:
            return await discarded(session, self.executions, after, reuse_completed=request.reuse_completed)

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

    async def _quieten(self, request: ResetRequest, below: list[str]) -> None:
        """Wait for the end of work that could then be undone."""
        end = time.monotonic() + HOLD
        while time.monotonic() < end:
            busy = await self._busy(await self._current(request))
            if not busy and not [each for each in below if await self._busy(await self.executions.describe(each))]:
                return
            await asyncio.sleep(_POLL)

    async def _busy(self, now: Description | None) -> bool:
        if now is None or now.phase not in _OPEN:
            return False
        return undoable_under_way(await self.executions.project(now))

    async def _ended(self, request: ResetRequest, base: Description | None = None) -> Discarded:
        """Return what is gone back over once the children that were cancelled have ended."""
        end = time.monotonic() + STOP
        while True:
            found = await self._discarded(request, base or await self._current(request))
            left = found.open
            if not left or time.monotonic() > end:
                return found
            while left and time.monotonic() < end:
                await asyncio.sleep(_POLL)
                left = [each for each in left if await self._is_open(each)]

    async def _is_open(self, temporal_id: str) -> bool:
        now = await self.executions.describe(temporal_id)
        return now is not None and now.phase in _OPEN


def _stale(revision: int, request: ResetRequest) -> errors.Conflict:
    return errors.Conflict(
        f"The execution is at revision {revision}, not {request.expected_revision}",
        code="stale_revision",
        extra={"revision": revision},
    )
