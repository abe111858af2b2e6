"""The version that an execution is pinned to."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from cachetools import LRUCache
from sqlalchemy import Row, Select, and_, bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts import json
from cairn.contracts.json import JsonObject
from cairn.domain.graphs.checking import Checker, not_valid
from cairn.domain.graphs.document import stored
from cairn.domain.graphs.model import GraphVersion
from cairn.domain.graphs.rows import find_graph, find_version, name_of, unknown
from cairn.errors import Conflict, NotFound
from cairn.graph.references import body_at
from cairn.graph.validate import ValidationContext, is_valid
from cairn.persistence.repository import Repository, Scope, caller, owned_by_caller
from cairn.persistence.tables import DraftDefinitionRow, GraphRow, GraphVersionRow

KNOWN = 16 * 1024 * 1024
"""Bytes of definitions, as JSON, that a process keeps in memory; as objects they take several times that."""


def size_of(definition: JsonObject) -> int:
    """Return the bytes of a definition as JSON."""
    return len(json.canonical(definition).encode())


_known: LRUCache[tuple[int, str], JsonObject] = LRUCache(KNOWN, size_of)
"""By version and digest."""

LookUps: TypeAlias = Mapping[type, Select[Any]]
"""Statements that look up a graph with its published version, by how it is named: ``int`` number or ``str`` uuid."""


def _look_up(name: Any) -> Select[Any]:
    """Return the statement for one kind of name. The definition, which may be long, is known as a rule."""
    graph, version = GraphRow, GraphVersionRow
    of_graph: dict[str, Any] = {"id": graph.id, "uuid": graph.uuid, "name": graph.name, "status": graph.status}
    columns: list[Any] = [col(column).label(f"graph_{label}") for label, column in of_graph.items()]
    columns += [version.id, version.version, version.digest, version.node_count, version.author]
    columns += [version.created_at, version.updated_at, version.published_at]
    published = col(version.graph_id) == graph.id, col(version.status) == "published"
    query = select(*columns).outerjoin(version, and_(*owned_by_caller(version), *published))
    return cast("Select[Any]", query.where(*owned_by_caller(graph), col(name) == bindparam("graph")))


LOOK_UPS: LookUps = {int: _look_up(GraphRow.id), str: _look_up(GraphRow.uuid)}


async def published_version(session: AsyncSession, scope: Scope, graph: int | str) -> GraphVersion:
    """Return the version that a new execution of the graph (by number or uuid) runs.

    Raises:
        NotFound: the scope has no such graph.
        Conflict: the graph is archived, or no version is published.
    """
    (row,) = await looked_up(session, scope, graph, LOOK_UPS)
    return await version_of(session, row)


async def looked_up(
    session: AsyncSession, scope: Scope, graph: int | str, look_ups: LookUps, **values: Any
) -> Sequence[Row[Any]]:
    """Return what a statement for the graph finds, one row at least.

    Args:
        session: to read from.
        scope: whose graph.
        graph: number or uuid.
        look_ups: the statements.
        values: of their own parameters, beside those of ``LOOK_UPS``.

    Raises:
        NotFound: the scope has no such graph.
    """
    name = name_of(graph)
    if name is None:
        raise unknown()
    found = (await session.execute(look_ups[type(name)], {**caller(scope), "graph": name, **values})).all()
    if not found:
        raise unknown()
    return found


async def version_of(session: AsyncSession, found: Row[Any]) -> GraphVersion:
    """Return the published version of a graph that was looked up.

    Raises:
        Conflict: the graph is archived, or no version is published.
    """
    if found.graph_status == "archived":
        raise Conflict("The workflow is archived.", code="workflow_archived")
    if found.id is None:
        raise Conflict("The workflow has no published version.", code="workflow_not_published")
    return GraphVersion(
        id=found.id,
        graph_id=found.graph_id,
        graph_uuid=found.graph_uuid,
        graph_name=found.graph_name,
        version=found.version,
        status="published",
        definition=await load_definition(session, found.id, found.digest),
        digest=found.digest,
        node_count=found.node_count,
        author=found.author,
        created_at=found.created_at,
        updated_at=found.updated_at,
        published_at=found.published_at,
    )


async def version_to_run(session: AsyncSession, scope: Scope, graph: int | str, *, draft: bool = False) -> GraphVersion:
    """Return the version that a new execution of the graph (by number or uuid) runs.

    Args:
        session: to read from.
        scope: whose graph.
        graph: number or uuid.
        draft: take the draft, if there is one; what it says now is kept for the execution, whatever becomes of it.

    Raises:
        NotFound: the scope has no such graph.
        Conflict: the graph is archived, or no version is published and no draft asked for.
        InvalidInput: the draft is not valid; ``extra`` has ``is_valid`` and ``errors``.
    """
    if not draft:
        return await published_version(session, scope, graph)
    row = await find_graph(session, scope, graph)
    version = await find_version(session, scope, row, "draft")
    if version is None or row.status == "archived":
        return await published_version(session, scope, graph)
    found = GraphVersion.of(version, row)
    # Which tools there are is for the workers to say.
    issues = await Checker(ValidationContext()).issues(stored(found))
    if not is_valid(issues):
        raise not_valid(issues)
    await keep_definition(session, scope, found)
    return found


async def keep_definition(session: AsyncSession, scope: Scope, draft: GraphVersion) -> None:
    """Keep a definition that an execution is pinned to beside the one that the version itself has, now or later."""
    kept = Repository(session, DraftDefinitionRow)
    own = col(DraftDefinitionRow.version_id) == draft.id, col(DraftDefinitionRow.digest) == draft.digest
    if await kept.count(scope, *own):
        return
    row = DraftDefinitionRow(
        tenant=scope.tenant,
        live=scope.live is not False,
        version_id=draft.id,
        digest=draft.digest,
        definition=draft.definition,
    )
    try:
        async with session.begin_nested():
            await kept.add(row)
    except IntegrityError:  # another execution of the same draft was quicker
        return


async def load_definition(session: AsyncSession, version_id: int, digest: str, body: Sequence[str] = ()) -> JsonObject:
    """Return the definition that an execution is pinned to. It is shared: not to be changed in place.

    Whoever knows the digest may have the definition, so no tenant is asked.

    Args:
        session: to read from.
        version_id: the version.
        digest: of the definition that is wanted.
        body: ids of the map nodes that lead to an inline definition inside the version's.

    Raises:
        NotFound: there is no such version, or no such inline definition in it.
        Conflict: the version never had this definition when an execution began (or the database is damaged).
    """
    key = (version_id, digest)
    if (found := _known.get(key)) is not None:
        return found
    known = False
    async for definition in _definitions(session, version_id, digest):
        part = body_at(definition, body)
        known = known or part is not None
        if part is not None and json.digest(part) == digest:
            break
    else:
        if known:
            raise Conflict("The version's definition is not the one that was started.", code="definition_changed")
        raise NotFound("No such version of a workflow, or no such part of it.", code="version_not_found")
    with contextlib.suppress(ValueError):  # it alone is larger than all that is kept
        _known[key] = part
    return part


async def _definitions(session: AsyncSession, version_id: int, digest: str) -> AsyncIterator[JsonObject]:
    """Yield what a version says now, then what it said when executions of it as a draft began, the likeliest first."""
    query = select(col(GraphVersionRow.definition)).where(col(GraphVersionRow.id) == version_id)
    if (now := (await session.execute(query)).scalar_one_or_none()) is not None:
        yield now
    kept = DraftDefinitionRow
    every = select(col(kept.digest)).where(col(kept.version_id) == version_id)
    every = every.order_by(col(kept.digest) != digest, col(kept.created_at).desc())
    for other in (await session.execute(every)).scalars().all():
        one = select(col(kept.definition)).where(col(kept.version_id) == version_id, col(kept.digest) == other)
        yield (await session.execute(one)).scalar_one()
