"""The order in which turns with sub-agents were told (see ``cairn.domain.chat.order``) is kept for a while."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, exists
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.persistence.tables import ExecutionRow, TurnEventRow
from cairn.persistence.types import utc_now

KEPT = timedelta(days=1)
"""After its turn has ended; a turn that is read anew later is put into one order anew."""


async def purge_turn_events(session: AsyncSession) -> None:
    """Remove what was told of turns that have ended long ago."""
    ended = exists().where(
        col(ExecutionRow.temporal_id) == TurnEventRow.temporal_id, col(ExecutionRow.closed_at) < utc_now() - KEPT
    )
    await session.execute(delete(TurnEventRow).where(ended).execution_options(synchronize_session=False))
