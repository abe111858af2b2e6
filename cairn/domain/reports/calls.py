"""The report of an agent's completed calls: a CSV of any length in constant memory.

It is read twice in batches by key, newest first: once for the names of what was extracted, which are columns, and once
for the rows. A slow reader holds no connection to the database. A call that ends meanwhile and has brought a column of
its own is left to the next report.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, cast

from sqlalchemy import ColumnElement, Row, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.graphs.rows import find_graph
from cairn.domain.reports.sheet import lines
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.session import Database
from cairn.persistence.tables import CallRow, ExecutionRow

BATCH = 500
"""Rows that are read at once; some milliseconds of work."""

_BEFORE = (
    "Run ID",
    "Campaign ID",
    "Agent ID",
    "Agent Definition ID",
    "Created At",
    "Phone Number",
    "Call Disposition",
    "Call Duration (s)",
)
_AFTER = ("Call Tags", "Transcript Summary", "Transcript URL", "Recording URL")
_COLUMNS = (
    CallRow.execution_id,
    CallRow.graph_id,
    CallRow.graph_version_id,
    CallRow.created_at,
    CallRow.phone_number,
    CallRow.disposition,
    CallRow.duration_seconds,
    CallRow.extracted,
    CallRow.tags,
    CallRow.summary,
    CallRow.transcript_url,
    CallRow.recording_url,
)
_Row: TypeAlias = "Row[*tuple[Any, ...]]"
_KEY = (col(CallRow.created_at), col(CallRow.execution_id))


@dataclass(frozen=True, slots=True)
class Period:
    """When calls began: from ``start`` on and before ``end``; None is open."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallReport:
    """A report that is ready to be read.

    Attributes:
        graph_id: number of the graph.
        chunks: the CSV.
    """

    graph_id: int
    chunks: AsyncIterator[bytes]


async def call_report(
    session: AsyncSession, database: Database, scope: Scope, graph: int | str, period: Period
) -> CallReport:
    """Return the report of a graph's completed calls.

    Args:
        session: to find the graph with.
        database: to read from while the report is taken.
        scope: whose graph.
        graph: number or uuid.
        period: which calls.

    Raises:
        NotFound: the scope has no such graph.
    """
    graph_id = cast("int", (await find_graph(session, scope, graph)).id)
    return CallReport(graph_id, _Reading(database, scope, graph_id, period).chunks())


class _Reading:
    def __init__(self, database: Database, scope: Scope, graph_id: int, period: Period) -> None:
        self._database = database
        self._scope = scope
        self._conditions = [col(CallRow.graph_id) == graph_id]
        if period.start is not None:
            self._conditions.append(col(CallRow.created_at) >= period.start)
        if period.end is not None:
            self._conditions.append(col(CallRow.created_at) < period.end)

    async def chunks(self) -> AsyncIterator[bytes]:
        keys = await self._extracted()
        yield lines([[*_BEFORE, *keys, *_AFTER]])
        async for batch in self._batches(_COLUMNS):
            yield await asyncio.to_thread(_lines, batch, keys)

    async def _extracted(self) -> dict[str, None]:
        """Return the names of what was extracted, in the order in which a reader of the report meets them."""
        keys: dict[str, None] = {}
        async for batch in self._batches((CallRow.created_at, CallRow.execution_id, CallRow.extracted)):
            for row in batch:
                keys.update(dict.fromkeys(row.extracted))
        return keys

    async def _batches(self, columns: Sequence[Any]) -> AsyncIterator[Sequence[_Row]]:
        last: _Row | None = None
        while True:
            rows = await self._batch(columns, last)
            if rows:
                yield rows
            if len(rows) < BATCH:
                return
            last = rows[-1]

    async def _batch(self, columns: Sequence[Any], last: _Row | None) -> Sequence[_Row]:
        completed = and_(
            col(ExecutionRow.tenant) == col(CallRow.tenant),
            col(ExecutionRow.id) == col(CallRow.execution_id),
            col(ExecutionRow.status) == "completed",
        )
        after: list[ColumnElement[bool]] = []
        if last is not None:
            after.append(tuple_(*_KEY) < tuple_(last.created_at, last.execution_id))
        async with self._database.session() as session:
            owned = Repository(session, CallRow).owned(self._scope)
            query = select(*columns).join(ExecutionRow, completed).where(*owned, *self._conditions, *after)
            found = await session.execute(query.order_by(*(column.desc() for column in _KEY)).limit(BATCH))
            return found.all()


def _lines(batch: Sequence[_Row], keys: dict[str, None]) -> bytes:
    return lines(_cells(row, keys) for row in batch if row.extracted.keys() <= keys.keys())


def _cells(row: _Row, keys: dict[str, None]) -> list[Any]:
    return [
        row.execution_id,
        None,
        row.graph_id,
        row.graph_version_id,
        row.created_at,
        row.phone_number,
        row.disposition,
        row.duration_seconds,
        *(row.extracted.get(key) for key in keys),
        ", ".join(row.tags),
        row.summary,
        row.transcript_url,
        row.recording_url,
    ]
