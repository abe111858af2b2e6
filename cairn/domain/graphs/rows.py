"""Finding a graph's rows."""

from __future__ import annotations

from sqlalchemy import ColumnElement, false
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.errors import NotFound
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import GraphRow, GraphVersionRow
from cairn.persistence.types import number_of


async def find_graph(session: AsyncSession, scope: Scope, graph: int | str, *, lock: bool = False) -> GraphRow:
    """Return a graph's row by its number or uuid.

    Raises:
        NotFound: the scope has no such graph.
    """
    named = _named(graph)
    row = await Repository(session, GraphRow).get(scope, named, lock=lock)
    if row is None:
        raise unknown()
    return row


def unknown() -> NotFound:
    """Return the refusal of a graph that the scope has not."""
    return NotFound("No such workflow.", code="workflow_not_found")


def name_of(graph: int | str) -> int | str | None:
    """Return the number or the uuid that a graph is named by, None when it is neither that a graph can have."""
    text = str(graph)
    if not text.isascii() or not text.isprintable():
        return None
    return number_of(text) if text.isdecimal() else text


def _named(graph: int | str) -> ColumnElement[bool]:
    name = name_of(graph)
    if name is None:
        return false()
    return col(GraphRow.id) == name if isinstance(name, int) else col(GraphRow.uuid) == name


async def find_version(session: AsyncSession, scope: Scope, graph: GraphRow, status: str) -> GraphVersionRow | None:
    """Return the draft or the published version of a graph, of which there is at most one."""
    own, state = col(GraphVersionRow.graph_id) == graph.id, col(GraphVersionRow.status) == status
    query = Repository(session, GraphVersionRow).select(scope, own, state)
    # As it is now: it may have been read before the graph's lock was taken.
    query = query.execution_options(populate_existing=True)
    return (await session.execute(query)).scalar_one_or_none()
