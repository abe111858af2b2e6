"""Reading graphs and their versions."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Literal, TypeAlias, cast

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.graphs.model import Graph, GraphCount, GraphSummary, GraphVersion, VersionSummary
from cairn.domain.graphs.rows import find_graph, find_version
from cairn.errors import NotFound
from cairn.graph.model import GraphIssue
from cairn.persistence.paging import Stretch
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import ExecutionRow, GraphRow, GraphTriggerRow, GraphVersionRow
from cairn.persistence.types import number_of

Which: TypeAlias = Literal["active", "archived", "all"]


class GraphReader:
    """Reads graphs within a session.

    A graph is named by its number or its uuid. Everything raises ``NotFound`` for a graph that the scope does not have.
    """

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        """Take the session and whose graphs."""
        self.session = session
        self.scope = scope
        self.graphs = Repository(session, GraphRow)
        self.version_rows = Repository(session, GraphVersionRow)

    async def get(self, graph: int | str) -> Graph:
        """Return a graph."""
        return await self.shown(await find_graph(self.session, self.scope, graph))

    async def list(self, status: Which = "active") -> Sequence[GraphSummary]:
        """Return the graphs of a status, newest first."""
        rows = await self.graphs.all(self.scope, *_of_status(status), order=(col(GraphRow.id).desc(),))
        version = GraphVersionRow
        counts = select(col(version.graph_id), col(version.node_count)).where(
            *self.version_rows.owned(self.scope), col(version.status).in_(("draft", "published"))
        )
        # Published before draft, so that a draft's count takes the place of the other.
        nodes = dict((await self.session.execute(counts.order_by(col(version.status).desc()))).all())
        runs = await self._runs()
        return [GraphSummary.of(row, nodes[cast("int", row.id)], runs.get(cast("int", row.id), 0)) for row in rows]

    async def names(self, status: Which = "active") -> builtins.list[tuple[int, str]]:
        """Return number and name of the graphs of a status, newest first."""
        query = select(col(GraphRow.id), col(GraphRow.name)).order_by(col(GraphRow.id).desc())
        query = query.where(*self.graphs.owned(self.scope), *_of_status(status))
        return [(cast("int", number), name) for number, name in (await self.session.execute(query)).all()]

    async def count(self) -> GraphCount:
        """Return how many graphs there are."""
        status = col(GraphRow.status)
        query = select(status, func.count()).where(*self.graphs.owned(self.scope)).group_by(status)
        counted = dict((await self.session.execute(query)).all())
        return GraphCount(active=counted.get("active", 0), archived=counted.get("archived", 0))

    async def versions(
        self, graph: int | str, limit: int = 20, offset: int = 0, anchor: int | None = None
    ) -> Stretch[VersionSummary]:
        """Return a stretch of a graph's versions, newest first; arguments as of :meth:`Repository.stretch`."""
        row = await find_graph(self.session, self.scope, graph)
        found = await self.version_rows.stretch(
            self.scope,
            col(GraphVersionRow.graph_id) == row.id,
            key=GraphVersionRow.version,
            limit=limit,
            offset=offset,
            anchor=anchor,
            without=(GraphVersionRow.definition,),
        )
        return Stretch([VersionSummary.of(version) for version in found.items], found.total, found.anchor)

    async def version(self, graph: int | str, number: int | str) -> GraphVersion:
        """Return a version by its number.

        Raises:
            NotFound: the graph has no such version.
        """
        row = await find_graph(self.session, self.scope, graph)
        known = number_of(number, 2**31 - 1)
        own = col(GraphVersionRow.graph_id) == row.id, col(GraphVersionRow.version) == known
        found = None if known is None else await self.version_rows.get(self.scope, *own)
        if found is None:
            raise NotFound("The workflow has no such version.", code="version_not_found")
        return GraphVersion.of(found, row)

    async def draft_and_published(self, row: GraphRow) -> tuple[GraphVersionRow | None, GraphVersionRow | None]:
        """Return the two versions that a graph is about; it has at least one of them."""
        draft = await find_version(self.session, self.scope, row, "draft")
        return draft, await find_version(self.session, self.scope, row, "published")

    async def current(self, row: GraphRow) -> GraphVersionRow:
        """Return the draft if there is one, else the published version."""
        draft, published = await self.draft_and_published(row)
        current = draft or published
        assert current is not None
        return current

    async def shown(self, row: GraphRow, issues: Sequence[GraphIssue] = ()) -> Graph:
        """Return a graph as its row and its versions are now."""
        await self.session.flush()
        draft, published = await self.draft_and_published(row)
        current = draft or published
        assert current is not None
        runs = await self._runs(row.id)
        held = select(col(GraphTriggerRow.path)).where(col(GraphTriggerRow.graph_id) == row.id)
        return Graph(
            summary=GraphSummary.of(row, current.node_count, runs.get(current.graph_id, 0)),
            configuration=row.configuration,
            current=GraphVersion.of(current, row),
            published=GraphVersion.of(published, row) if published else None,
            trigger_paths=sorted((await self.session.execute(held)).scalars()),
            issues=tuple(issues),
        )

    async def _runs(self, graph_id: int | None = None) -> dict[int, int]:
        """Return the number of executions of each graph, or of one."""
        run = ExecutionRow
        filters = [] if graph_id is None else [col(run.graph_id) == graph_id]
        query = select(col(run.graph_id), func.count()).where(
            *Repository(self.session, ExecutionRow).owned(self.scope), *filters
        )
        return dict((await self.session.execute(query.group_by(col(run.graph_id)))).all())


def _of_status(status: Which) -> tuple[ColumnElement[bool], ...]:
    return () if status == "all" else (col(GraphRow.status) == status,)
