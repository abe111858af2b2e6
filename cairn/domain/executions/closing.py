"""The moment between a run's own word, in its row, and its state in Temporal.

The workflow writes its row before its task is done: what the row says is ahead of Temporal then, not behind it. A task
that is lost with its worker leaves a row that is ahead for good.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

from cairn.persistence.tables import ExecutionRow
from cairn.persistence.types import utc_now
from cairn.temporal.checkpoints import Projection
from cairn.temporal.description import Description
from cairn.temporal.executions import ExecutionClient

PATIENCE = 1.0
"""Seconds that a reader waits for the end in Temporal."""
TRUST = timedelta(minutes=1)
"""For so long the row is believed; a run that has told its end and goes on after that has met an accident."""

SETTLED = timedelta(seconds=20)
"""After so long a workflow task that wrote the row is done, or lost (by default after ten seconds)."""


async def describe(temporal: ExecutionClient, row: ExecutionRow) -> Description | None:
    """Return the execution as Temporal describes it, its end included when it is just about to come.

    Raises:
        Unavailable: Temporal does not answer.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        now = await temporal.describe(row.temporal_id)
        if now is None or not is_closing(row, now) or time.monotonic() > deadline:
            return now
        await asyncio.sleep(0.05)


def is_closing(row: ExecutionRow, now: Description) -> bool:
    """Say whether the described run has told its end, and Temporal has not got it yet."""
    if row.closed_at is None or now.closed_at is not None or row.run_id != now.run_id:
        return False
    return row.revision >= now.revision and utc_now() - row.closed_at < TRUST


def revision(row: ExecutionRow, now: Description, projection: Projection) -> int:
    """Return the described execution's revision: what its history says, unless the row may be ahead of it.

    A run that a reset made has its revision from its landing on (see ``land``).
    """
    settled = now.closed_at is not None or utc_now() - row.updated_at > SETTLED
    own = projection.landed_after_reset and row.run_id == now.run_id
    return projection.engine.revision if settled and own else max(row.revision, now.revision)
