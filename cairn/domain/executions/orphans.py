"""Stops children whose parent has ended without doing so: it was terminated, say, or its worker died at its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import aliased
from sqlmodel import col

from cairn.contracts.children import MAP_WORKFLOW_TYPE
from cairn.contracts.executions import CLOSED
from cairn.persistence.session import Database
from cairn.persistence.tables import ExecutionRow
from cairn.persistence.types import utc_now
from cairn.temporal.connection import RPC_TIMEOUT, answered_all
from cairn.temporal.executions import ExecutionClient
from cairn.temporal.orphans import cancel

EVERY = timedelta(seconds=10)
"""How often the maps that are under way are looked at."""

_BATCH = 100
_OPEN = ("pending", "running", "paused")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Orphans:
    """One spell of looking for them. What rows say is verified in Temporal before a child is cancelled."""

    def __init__(self, database: Database, temporal: ExecutionClient) -> None:
        """Take the process's database and client."""
        self.database = database
        self.temporal = temporal
        self._looked: datetime | None = None
        self._asked: set[str] = set()

    async def once(self) -> None:
        """Look once.

        Raises:
            Unavailable: Temporal does not answer.
        """
        await self._stop_children()
        if self._looked is None or utc_now() - self._looked >= EVERY:
            self._looked = utc_now()
            await self._stop_maps()
            await self._stop_items()

    async def _stop_children(self) -> None:
        """Cancel open children of executions whose rows say that they have ended, and the maps that started them."""
        child, parent = aliased(ExecutionRow), aliased(ExecutionRow)
        query = select(col(child.temporal_id), col(child.parent_map_id), col(parent.temporal_id)).where(
            col(child.status).in_(_OPEN),
            col(child.parent_execution_id) == col(parent.id),
            col(child.tenant) == col(parent.tenant),
            col(parent.status).in_(CLOSED),
            col(child.temporal_id).not_in(self._asked),
        )
        async with self.database.session() as session:
            found = (await session.execute(query.limit(_BATCH))).all()
        ends = {parent_id: await self._end(parent_id) for parent_id in {parent_id for _, _, parent_id in found}}
        for temporal_id, map_id, parent_id in found:
            end = ends[parent_id]
            if end is not None and not await self._opened_since(temporal_id, end):
                await self._cancel(*[id for id in (map_id, temporal_id) if id is not None])

    async def _stop_maps(self) -> None:
        """Cancel maps, and chunks of maps, whose parent has ended."""
        query = f"WorkflowType = '{MAP_WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'"
        listed = self.temporal.client.list_workflows(query, limit=10 * _BATCH, rpc_timeout=RPC_TIMEOUT)
        parents = {run.id: run.parent_id async for run in answered_all(listed) if run.parent_id is not None}
        for temporal_id, parent_id in parents.items():
            if parent_id not in parents and await self._end(parent_id) is not None:
                await self._cancel(temporal_id)

    async def _stop_items(self) -> None:
        """Cancel open items of maps that have ended."""
        map_id, status = col(ExecutionRow.parent_map_id), col(ExecutionRow.status)
        query = select(map_id).where(status.in_(_OPEN), map_id.is_not(None)).distinct().limit(_BATCH)
        async with self.database.session() as session:
            maps = [found for found in (await session.execute(query)).scalars() if found is not None]
        for found in maps:
            if (end := await self._end(found)) is not None:
                await self._cancel(*[id for id in await self._items(found) if not await self._opened_since(id, end)])

    async def _items(self, map_id: str) -> Sequence[str]:
        query = select(col(ExecutionRow.temporal_id)).where(col(ExecutionRow.parent_map_id) == map_id)
        async with self.database.session() as session:
            return (await session.execute(query.where(col(ExecutionRow.status).in_(_OPEN)))).scalars().all()

    async def _end(self, temporal_id: str) -> datetime | None:
        """Return when a workflow ended, long ago if Temporal has forgotten it; None while it is open."""
        now = await self.temporal.describe(temporal_id)
        return _LONG_AGO if now is None else now.closed_at

    async def _opened_since(self, temporal_id: str, end: datetime) -> bool:
        """Whether a reset opened an execution after the end of what had started it: somebody wants it by itself."""
        if temporal_id in self._asked:
            return False
        now = await self.temporal.describe(temporal_id)
        reset = await self.temporal.reader.reset_at(temporal_id, now.run_id) if now is not None else None
        opened = reset is not None and reset > end
        if opened:
            self._asked.add(temporal_id)
        return opened

    async def _cancel(self, *temporal_ids: str) -> None:
        """Ask once in a spell: an execution that was reset meanwhile does not heed it, and is none of ours any more."""
        for temporal_id in temporal_ids:
            if temporal_id not in self._asked:
                self._asked.add(temporal_id)
                await cancel(self.temporal, temporal_id)
