"""Keeps rows true: starts what a crash left pending, and repairs what Temporal knows better."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import col

from cairn.domain.executions.start import start_workflow
from cairn.domain.executions.tokens import purge_tokens
from cairn.domain.executions.turn_events import purge_turn_events
from cairn.domain.executions.view import repair, told
from cairn.domain.executions.workflow_side import row_of
from cairn.domain.idempotency.store import IdempotencyStore
from cairn.domain.prompt_blocks.cache import purge_renders
from cairn.domain.requests.workflow_side import cancel_requests
from cairn.observability import get_logger
from cairn.persistence.session import Database
from cairn.persistence.tables import ExecutionRow, RequestRow
from cairn.persistence.types import utc_now
from cairn.temporal.encryption import PayloadDamaged, PayloadKeyUnknown
from cairn.temporal.executions import Ended, ExecutionClient
from cairn.temporal.open_runs import open_runs

GRACE = timedelta(seconds=2)
"""A pending row younger than this is left to the request that wrote it."""

STALE = timedelta(minutes=1)
"""An open row that nothing has changed for this long is compared with Temporal."""

_BATCH = 100
_log = get_logger("cairn.reconcile")


class Reconciler:
    """One spell of reconciling. Each row is repaired in a transaction of its own."""

    def __init__(self, database: Database, temporal: ExecutionClient, since: datetime) -> None:
        """Take the process's database and client.

        Args:
            database: of the rows.
            temporal: of the executions.
            since: executions that ended after this are looked at.
        """
        self.database = database
        self.temporal = temporal
        self.since = since
        self._checked = 0

    async def once(self) -> None:
        """Look once.

        Raises:
            Unavailable: Temporal does not answer.
        """
        await self.start_pending()
        await self.follow_closed()
        await self.check_stale()

    async def start_pending(self) -> None:
        """Start the executions whose rows were committed and whose start never reached Temporal."""
        due = col(ExecutionRow.created_at) < utc_now() - GRACE
        for key in await self._keys(col(ExecutionRow.status) == "pending", due):
            async with self.database.session() as session:
                row = await session.get(ExecutionRow, key)
                if row is not None and row.status == "pending":
                    await start_workflow(self.temporal, session, row)
                await session.commit()

    async def follow_closed(self) -> None:
        """Repair the rows of executions that ended without telling (terminated in the Web UI, for example)."""
        looked = utc_now()
        ended = [each async for each in self.temporal.closed_since(self.since)]
        for first in range(0, len(ended), _BATCH):
            for temporal_id in await self._untold(ended[first : first + _BATCH]):
                await self.repair(temporal_id)
        self.since = looked - timedelta(seconds=10)  # visibility lags behind

    async def _untold(self, ended: Sequence[Ended]) -> list[str]:
        """Return those whose rows do not say how they ended, and those that still ask people.

        Nearly all rows say it, by their workflow's own word. A reader may have repaired the row alone, and what was
        asked at the very end may have been written down after it.
        """
        ids = [each.temporal_id for each in ended]
        query = select(col(ExecutionRow.temporal_id), col(ExecutionRow.run_id), col(ExecutionRow.status))
        async with self.database.session() as session:
            rows = (await session.execute(query.where(col(ExecutionRow.temporal_id).in_(ids)))).all()
            asked = col(RequestRow.temporal_id).in_(ids), col(RequestRow.status) == "pending"
            asking = set((await session.execute(select(col(RequestRow.temporal_id)).where(*asked))).scalars())
        said = {temporal_id: (run_id, status) for temporal_id, run_id, status in rows}
        return [id for id, run_id, phase in ended if id in said and (said[id] != (run_id, phase) or id in asking)]

    async def check_stale(self) -> None:
        """Compare some open rows with what Temporal lists, others the next time."""
        open_ = col(ExecutionRow.status).in_(["running", "paused"])
        old = col(ExecutionRow.updated_at) < utc_now() - STALE
        said = (col(ExecutionRow.temporal_id), col(ExecutionRow.run_id), col(ExecutionRow.status))
        keys = await self._keys(open_, old, col(ExecutionRow.key) > self._checked)
        async with self.database.session() as session:
            rows = (await session.execute(select(*said).where(col(ExecutionRow.key).in_(keys)))).all()
        listed = await open_runs(self.temporal.client, [temporal_id for temporal_id, _, _ in rows])
        for temporal_id, run_id, status in rows:
            if listed.get(temporal_id) != (run_id, status):  # or it is not listed yet
                await self.repair(temporal_id)
        self._checked = keys[-1] if len(keys) == _BATCH else 0

    async def repair(self, temporal_id: str) -> None:
        """Make one row say what Temporal says, unless it is written meanwhile; who has ended asks nobody any more."""
        async with self.database.session() as session:
            row = await row_of(session, temporal_id)
        try:
            now = await self.temporal.describe(temporal_id)
            if row is None or now is None:
                return
            true = row.status == now.phase.value and row.run_id == now.run_id
            if true and now.closed_at is None:
                return
            values = {} if true else told(row, now, await self.temporal.project(now))
        except (PayloadKeyUnknown, PayloadDamaged) as error:
            # The others must not wait for this one.
            _log.warning("execution cannot be read", temporal_id=temporal_id, code=error.code, detail=error.message)
            return
        async with self.database.transaction() as session:
            fresh = await row_of(session, temporal_id, lock=True)
            if fresh is not None and fresh.updated_at == row.updated_at:
                await repair(session, fresh, values)
                if now.closed_at is not None:
                    await cancel_requests(session, temporal_id)

    async def purge(self) -> None:
        """Remove records of idempotent requests and cached outputs that have expired, and texts that nobody follows."""
        async with self.database.transaction() as session:
            await IdempotencyStore(session).purge()
            await purge_tokens(session)
            await purge_renders(session)
            await purge_turn_events(session)

    async def _keys(self, *conditions: object) -> Sequence[int]:
        query = select(col(ExecutionRow.key)).where(*conditions).order_by(col(ExecutionRow.key)).limit(_BATCH)  # pyright: ignore[reportArgumentType]
        async with self.database.session() as session:
            return [key for key in (await session.execute(query)).scalars() if key is not None]
