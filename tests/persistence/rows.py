"""Rows for the tests of persistence."""

from __future__ import annotations

import itertools
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cairn.contracts.executions import execution_tag
from cairn.persistence.session import Database
from cairn.persistence.tables import ExecutionRow, GraphRow, GraphVersionRow

_numbers = itertools.count(1)


async def add_graph(session: AsyncSession, tenant: str = "acme", *, live: bool = True, **values: Any) -> GraphRow:
    row = GraphRow(tenant=tenant, live=live, uuid=f"uuid-{next(_numbers)}", name="graph", **values)
    session.add(row)
    await session.flush()
    return row


async def add_version(session: AsyncSession, graph: GraphRow, **values: Any) -> GraphVersionRow:
    values = {"version": 1, "definition": {}, "digest": "d", **values}
    row = GraphVersionRow(tenant=graph.tenant, live=graph.live, graph_id=graph.id, **values)
    session.add(row)
    await session.flush()
    return row


class Executions:
    """Adds executions of one graph, each in its own transaction."""

    def __init__(self, database: Database, graph: GraphRow, version: GraphVersionRow) -> None:
        self.database, self.graph, self.version = database, graph, version

    @classmethod
    async def of(cls, database: Database, tenant: str = "acme", *, live: bool = True) -> Executions:
        async with database.transaction() as session:
            graph = await add_graph(session, tenant, live=live)
            return cls(database, graph, await add_version(session, graph, status="published"))

    def row(self, id: str, **values: Any) -> ExecutionRow:
        return ExecutionRow(
            tenant=self.graph.tenant,
            live=self.graph.live,
            id=id,
            temporal_id=f"{self.graph.tenant}.{id}",
            tag=execution_tag(self.graph.tenant, id),
            graph_id=self.graph.id,
            workflow_uuid=self.graph.uuid,
            version_id=self.version.id,
            version=1,
            surface="omium",
            **values,
        )

    async def add(self, id: str | None = None, **values: Any) -> ExecutionRow:
        row = self.row(id or f"unnamed-{next(_numbers)}", **values)
        async with self.database.transaction() as session:
            session.add(row)
        return row
