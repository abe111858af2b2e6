"""What becomes of that which executions leave behind when they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from persistence.rows import Executions
from sqlalchemy import select

from cairn.contracts.executions import Phase
from cairn.contracts.requests import OpenRequest
from cairn.domain.executions.reconcile import Reconciler
from cairn.domain.requests.workflow_side import open_request
from cairn.persistence.session import Database
from cairn.persistence.tables import ExecutionRow, RequestRow
from cairn.persistence.types import utc_now
from cairn.temporal.description import Description
from cairn.temporal.executions import Ended

RUN = "run-1"


class Temporal:
    """Knows one execution, and lists its first run as ended."""

    def __init__(self, row: ExecutionRow, run_id: str, phase: Phase) -> None:
        self.row, self.run_id, self.phase = row, run_id, phase

    async def closed_since(self, _since: datetime) -> AsyncIterator[Ended]:
        yield Ended(self.row.temporal_id, RUN, Phase.CANCELLED)

    async def describe(self, temporal_id: str) -> Description:
        closed_at = utc_now() if self.phase is Phase.CANCELLED else None
        return Description(temporal_id, self.run_id, self.phase, None, 0, 10, closed_at)


@pytest.mark.parametrize(
    ("run_id", "phase", "status"), [(RUN, Phase.CANCELLED, "cancelled"), ("run-2", Phase.RUNNING, "pending")]
)
async def test_who_has_ended_asks_nobody_any_more_whoever_has_written_that_down(
    database: Database, run_id: str, phase: Phase, status: str
) -> None:
    """A reader who finds an execution terminated repairs its row alone, and may be quicker than the reconciler."""
    row = await (await Executions.of(database)).add(status=phase.value, run_id=run_id)
    asked: dict[str, Any] = {"request_id": "r", "kind": "approval", "execution_id": row.id, "tenant": row.tenant}
    line = {"temporal_id": row.temporal_id, "run_id": run_id, "lineage": run_id, "node_id": "n", "visit": 1}
    async with database.transaction() as session:
        await open_request(session, OpenRequest(**asked, **line), None)
    temporal = cast("Any", Temporal(row, run_id, phase))
    await Reconciler(database, temporal, utc_now() - timedelta(minutes=1)).follow_closed()
    async with database.session() as session:
        assert (await session.execute(select(RequestRow))).scalar_one().status == status
        assert (await session.execute(select(ExecutionRow))).scalar_one().updated_at == row.updated_at
