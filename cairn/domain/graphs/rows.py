"""Finding a graph's rows."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, false
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
    named = _named(str(graph))
    row = await Repository(session, GraphRow).get(scope, named, lock=lock)
    if row is None:
        raise _unknown()
    return row


async def find_graph_with_version(
    session: AsyncSession, scope: Scope, graph: int | str, status: str
) -> tuple[GraphRow, GraphVersionRow | None]:
    """Return a graph's row, and that of its draft or published version, in one reading.

    Raises:
        NotFound: the scope has no such graph.
    """
    of_graph = col(GraphVersionRow.graph_id) == GraphRow.id, col(GraphVersionRow.status) == status
    own = and_(*Repository(session, GraphVersionRow).owned(scope), *of_graph)
    query = Repository(session, GraphRow).select(scope, _named(str(graph)))
    both = query.outerjoin(GraphVersionRow, own).add_columns(GraphVersionRow)
    found = (await session.execute(both.execution_options(populate_existing=True))).one_or_none()
    if found is None:
        raise _unknown()
    row, version = found
    return row, version


def _unknown() -> NotFound:
    return NotFound("No such workflow.", code="workflow_not_found")


def _named(text: str) -> ColumnElement[bool]:
    if not text.isascii() or not text.isprintable():
        return false()
    if not text.isdecimal():
        return col(GraphRow.uuid) == text
    number = number_of(text)
    return false() if number is None else col(GraphRow.id) == number


async def find_version(session: AsyncSession, scope: Scope, graph: GraphRow, status: str) -> GraphVersionRow | None:
    """Return the draft or the published version of a graph, of which there is at most one."""
    own, state = col(GraphVersionRow.graph_id) == graph.id, col(GraphVersionRow.status) == status
    query = Repository(session, GraphVersionRow).select(scope, own, state)
    # As it is now: it may have been read before the graph's lock was taken.
    query = query.execution_options(populate_existing=True)
    return (await session.execute(query)).scalar_one_or_none()
