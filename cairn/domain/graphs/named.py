"""The version of a graph that a caller names: a number, ``draft`` or ``published``."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.graphs.model import GraphVersion
from cairn.domain.graphs.rows import find_graph, find_version
from cairn.errors import NotFound
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import GraphVersionRow

_MAX = 2**31 - 1


async def version_named(session: AsyncSession, scope: Scope, graph: int | str, version: str | None) -> GraphVersion:
    """Return a version of a graph (by number or uuid).

    Args:
        session: to read from.
        scope: whose graph.
        graph: number or uuid.
        version: its number, ``draft`` or ``published``; None for the draft if there is one, else what is published.

    Raises:
        NotFound: the scope has no such graph, or the graph no such version.
    """
    row = await find_graph(session, scope, graph)
    found = None
    for name in ("draft", "published") if version is None else (version,):
        if name in ("draft", "published"):
            found = found or await find_version(session, scope, row, name)
        elif name.isascii() and name.isdecimal() and len(name) < 11 and int(name) <= _MAX:
            conditions = col(GraphVersionRow.graph_id) == row.id, col(GraphVersionRow.version) == int(name)
            found = await Repository(session, GraphVersionRow).get(scope, *conditions)
    if found is None:
        raise NotFound("The workflow has no such version.", code="version_not_found")
    return GraphVersion.of(found, row)
