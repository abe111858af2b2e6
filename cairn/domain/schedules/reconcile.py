"""Keeps schedules true: does what a crash left undone, and takes over what Temporal or an operator changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select, update
from sqlmodel import col

from cairn.domain.schedules.apply import apply
from cairn.errors import InvalidInput
from cairn.observability import get_logger
from cairn.persistence.session import Database
from cairn.persistence.tables import ScheduleRow
from cairn.persistence.types import utc_now
from cairn.temporal.schedule_client import ScheduleClient

GRACE = timedelta(seconds=5)
"""A row that was changed later than this ago is left to the request that did it."""

_BATCH = 100
_log = get_logger("cairn.schedules")


class ScheduleReconciler:
    """One spell of reconciling."""

    def __init__(self, database: Database, client: ScheduleClient) -> None:
        """Take the process's database and client."""
        self.database = database
        self.client = client

    async def once(self) -> None:
        """Carry committed changes into Temporal.

        Raises:
            Unavailable: Temporal does not answer.
        """
        # Also what is encrypted with an earlier key, so that that one can be dropped.
        stale = col(ScheduleRow.payload_key).is_distinct_from(self.client.payload_key)
        undone = col(ScheduleRow.deleting) | (col(ScheduleRow.applied) < col(ScheduleRow.generation)) | stale
        for key in await self._keys(undone, col(ScheduleRow.updated_at) < utc_now() - GRACE):
            async with self.database.session() as session:
                row = await session.get(ScheduleRow, key)
                if row is not None and row.deleting:
                    await self.client.delete(row.id)
                    await session.delete(row)
                    await session.commit()
                elif row is not None:
                    try:
                        await apply(self.client, session, row)
                    except InvalidInput as error:
                        _log.warning("schedule cannot be applied", schedule_id=row.id, detail=error.message)

    async def follow(self) -> None:
        """Let rows say what Temporal says of pauses, and make again what Temporal has lost.

        Raises:
            Unavailable: Temporal does not answer.
        """
        states = await self.client.paused_states()
        last = 0
        settled = col(ScheduleRow.applied) == col(ScheduleRow.generation), col(ScheduleRow.deleting).is_(False)
        while keys := await self._keys(
            *settled, col(ScheduleRow.key) > last, col(ScheduleRow.updated_at) < utc_now() - GRACE
        ):
            last = keys[-1]
            for key in keys:
                await self._follow(key, states)

    async def _follow(self, key: int, states: dict[str, tuple[bool, str | None]]) -> None:
        async with self.database.session() as session:
            row = await session.get(ScheduleRow, key)
            if row is None:
                return
            state = states.get(row.id)
            if state is None:
                if await self.client.describe(row.id) is None:
                    await apply(self.client, session, row, lost=True)
            elif state != (row.paused, row.note):
                same = col(ScheduleRow.key) == key, col(ScheduleRow.updated_at) == row.updated_at
                await session.execute(update(ScheduleRow).where(*same).values(paused=state[0], note=state[1]))
                await session.commit()

    async def _keys(self, *conditions: object) -> Sequence[int]:
        query = select(col(ScheduleRow.key)).where(*conditions).order_by(col(ScheduleRow.key)).limit(_BATCH)  # pyright: ignore[reportArgumentType]
        async with self.database.session() as session:
            return [key for key in (await session.execute(query)).scalars() if key is not None]
