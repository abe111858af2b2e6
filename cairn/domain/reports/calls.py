"""The report of a graph's completed runs, calls or not: a CSV of any length in constant memory.

It is read twice in batches by key, newest first: once for the names of what calls have extracted, which are columns,
and once for the rows. A slow reader holds no connection to the database. A call that ends meanwhile and has brought a
column of its own is left to the next report.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, cast

from sqlalchemy import ColumnElement, Row, and_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.graphs.rows import find_graph
from cairn.domain.reports.sheet import lines
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.session import Database
from cairn.persistence.tables import CallRow, ExecutionRow, GraphVersionRow

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
_KEY = (col(ExecutionRow.created_at), col(ExecutionRow.key))
_COLUMNS = (
    *_KEY,
    ExecutionRow.id,
    ExecutionRow.graph_id,
    ExecutionRow.version_id,
    CallRow.ended_at,
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
_CALL = and_(col(CallRow.tenant) == col(ExecutionRow.tenant), col(CallRow.execution_id) == col(ExecutionRow.id))
_VERSION = select(col(GraphVersionRow.digest)).where(col(GraphVersionRow.id) == col(ExecutionRow.version_id))
_OF_THE_GRAPH = or_(
    col(ExecutionRow.parent_execution_id).is_(None),
    col(ExecutionRow.digest) == _VERSION.scalar_subquery(),  # an item of a map may run a part of the graph alone
)


@dataclass(frozen=True, slots=True)
class Period:
    """When executions were made: from ``start`` on and before ``end``; None is open."""

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
    session: AsyncSession, database: Database, scope: Scope, graph: int | str, period: Period, links: str
) -> CallReport:
    """Return the report of a graph's completed runs.

    Args:
        session: to find the graph with.
        database: to read from while the report is taken.
        scope: whose graph.
        graph: number or uuid.
        period: which runs.
        links: base of links to this installation.

    Raises:
        NotFound: the scope has no such graph.
    """
    found = await find_graph(session, scope, graph)
    return CallReport(cast("int", found.id), _Reading(database, scope, found.uuid, period, links).chunks())


class _Reading:
    def __init__(self, database: Database, scope: Scope, graph_uuid: str, period: Period, links: str) -> None:
        self._database = database
        self._scope = scope
        self._links = links
        self._conditions = [
            col(ExecutionRow.workflow_uuid) == graph_uuid,
            col(ExecutionRow.status) == "completed",
            _OF_THE_GRAPH,
        ]
        if period.start is not None:
            self._conditions.append(col(ExecutionRow.created_at) >= period.start)
        if period.end is not None:
            self._conditions.append(col(ExecutionRow.created_at) < period.end)

    async def chunks(self) -> AsyncIterator[bytes]:
        keys = await self._extracted()
        yield lines([[*_BEFORE, *keys, *_AFTER]])
        async for batch in self._batches(_COLUMNS):
            yield await asyncio.to_thread(_lines, batch, keys, self._links)

    async def _extracted(self) -> dict[str, None]:
        """Return the names of what was extracted, in the order in which a reader of the report meets them."""
        keys: dict[str, None] = {}
        async for batch in self._batches((*_KEY, CallRow.extracted)):
            for row in batch:
                keys.update(dict.fromkeys(row.extracted or ()))
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
        after: list[ColumnElement[bool]] = []
        if last is not None:
            after.append(tuple_(*_KEY) < tuple_(last.created_at, last.key))
        async with self._database.session() as session:
            owned = Repository(session, ExecutionRow).owned(self._scope)
            query = select(*columns).select_from(ExecutionRow).outerjoin(CallRow, _CALL)
            query = query.where(*owned, *self._conditions, *after)
            found = await session.execute(query.order_by(*(column.desc() for column in _KEY)).limit(BATCH))
            return found.all()


def _lines(batch: Sequence[_Row], keys: dict[str, None], base: str) -> bytes:
    return lines(_cells(row, keys, base) for row in batch if (row.extracted or {}).keys() <= keys.keys())


def _cells(row: _Row, keys: dict[str, None], base: str) -> list[Any]:
    # What was said in a call is shown with its execution.
    transcript = f"{base}/api/v1/executions/{row.id}" if row.ended_at is not None else None
    return [
        row.id,
        None,
        row.graph_id,
        row.version_id,
        row.created_at,
        row.phone_number,
        row.disposition,
        row.duration_seconds,
        *((row.extracted or {}).get(key) for key in keys),
        ", ".join(row.tags or ()),
        row.summary,
        row.transcript_url or transcript,
        row.recording_url,
    ]
