"""The projections of executions' runs: each history is read once, the present one as it grows."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from weakref import WeakValueDictionary

from temporalio.service import RPCError

from cairn.temporal.checkpoint import LeftRun
from cairn.temporal.checkpoints import Projection
from cairn.temporal.connection import is_unknown
from cairn.temporal.description import Description
from cairn.temporal.kept_runs import KeptRuns
from cairn.temporal.reading import HistoryReader

_CACHED_RUNS = 256
_CACHED_CHECKPOINTS = 200_000
_AT_ONCE = 16


class Projections:
    """Keeps the projections of the runs that were read last, and what finished runs left to those that go on."""

    def __init__(self, reader: HistoryReader, kept: KeptRuns) -> None:
        """Take what reads histories, and where what finished runs left is kept for every process."""
        self._reader = reader
        self._kept = kept
        self._runs: OrderedDict[str, Projection] = OrderedDict()
        self._past: OrderedDict[str, Projection] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def of(self, now: Description) -> Projection:
        """Return the projection of the run as described, with those that it goes on from; reads only what is new."""
        projection = await self.alone(now)
        if projection.continued_run_id is not None and projection.previous is None:
            left = await self._left_by(now.temporal_id, projection.continued_run_id)
            if left is not None:
                projection.follow(left)
        return projection

    async def alone(self, now: Description) -> Projection:
        """Return the projection of the run as described, perhaps without those that it goes on from."""
        return await self._read(now.temporal_id, now.run_id, now.length)

    async def _left_by(self, temporal_id: str, run_id: str) -> Projection | None:
        """Return what a run left to the one that continues it; each run is read once, the oldest first.

        The oldest runs may be gone, as retention removes closed runs one by one; None when all are.
        """
        lock = self._locks.setdefault(temporal_id, asyncio.Lock())
        async with lock:
            unread, past = await self._unread(temporal_id, run_id)
            for first in range(0, len(unread), _AT_ONCE):
                some = unread[first : first + _AT_ONCE]
                loaded = await asyncio.gather(*(self._kept.load(temporal_id, *each) for each in some))
                for (each, began), left in zip(some, loaded, strict=True):
                    past = Projection.of_left(left or await self._leave(temporal_id, each, began), past)
                    self._past[each] = past
            self._forget()
        return past

    async def _unread(self, temporal_id: str, run_id: str) -> tuple[Sequence[tuple[str, datetime]], Projection | None]:
        """Return the runs up to this one that are not known yet, oldest first, and the one before them."""
        unread: list[tuple[str, datetime]] = []
        older: str | None = run_id
        while older is not None and older not in self._past:
            try:
                began = await self._reader.began(temporal_id, older)
            except RPCError as error:
                if not is_unknown(error):
                    raise
                return unread[::-1], None
            unread.append((older, began.at))
            older = began.continued_run_id
        return unread[::-1], self._past[older] if older is not None else None

    async def _leave(self, temporal_id: str, run_id: str, began: datetime) -> LeftRun:
        """Read a run that has gone on in a new one, and keep what it left."""
        run = await self._read(temporal_id, run_id, None)
        left = run.left()
        self._runs.pop(run_id, None)
        if run.closed is not None and run.closed.phase is None:
            await self._kept.save(temporal_id, left, began)
        return left

    async def _read(self, temporal_id: str, run_id: str, length: int | None) -> Projection:
        """Return the projection of a run alone; ``length`` None for one that has ended."""
        lock = self._locks.setdefault(run_id, asyncio.Lock())
        async with lock:
            projection = self._runs.pop(run_id, None) or Projection(run_id=run_id)
            behind = projection.closed is None if length is None else projection.last_event_id < length
            if behind:
                projection.feed(await self._reader.events(temporal_id, run_id, projection.last_event_id))
                projection.settle()
            self._runs[run_id] = projection
        while len(self._runs) > _CACHED_RUNS:
            self._runs.popitem(last=False)
        return projection

    def _forget(self) -> None:
        """Let go of the runs that were read first, when there are too many."""
        checkpoints = sum(map(_own, self._past.values()))
        while checkpoints > _CACHED_CHECKPOINTS and len(self._past) > 1:
            _, past = self._past.popitem(last=False)
            checkpoints -= _own(past)


def _own(past: Projection) -> int:
    """Return how many checkpoints a run made itself."""
    return past.steps - (past.previous.steps if past.previous is not None else 0)
