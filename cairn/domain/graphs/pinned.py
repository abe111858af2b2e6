"""The version that an execution is pinned to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts import json
from cairn.contracts.json import JsonObject
from cairn.domain.graphs.model import GraphVersion
from cairn.domain.graphs.rows import find_graph, find_version
from cairn.errors import Conflict, NotFound
from cairn.graph.references import body_at
from cairn.persistence.repository import Scope
from cairn.persistence.tables import GraphVersionRow

_CACHE_SIZE = 128
_cache: OrderedDict[tuple[int, str], JsonObject] = OrderedDict()


async def published_version(session: AsyncSession, scope: Scope, graph: int | str) -> GraphVersion:
    """Return the version that a new execution of the graph (by number or uuid) runs.

    Raises:
        NotFound: the scope has no such graph.
        Conflict: the graph is archived, or no version is published.
    """
    row = await find_graph(session, scope, graph)
    if row.status == "archived":
        raise Conflict("The workflow is archived.", code="workflow_archived")
    version = await find_version(session, scope, row, "published")
    if version is None:
        raise Conflict("The workflow has no published version.", code="workflow_not_published")
    return GraphVersion.of(version, row.uuid)


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
        Conflict: the version has another definition now (a draft that was edited, or damage in the database).
    """
    key = (version_id, digest)
    if key in _cache:
        _cache.move_to_end(key)
        return _cache[key]
    query = select(col(GraphVersionRow.definition)).where(col(GraphVersionRow.id) == version_id)
    definition = (await session.execute(query)).scalar_one_or_none()
    if definition is None:
        raise NotFound("No such version of a workflow.", code="version_not_found")
    definition = body_at(definition, body)
    if definition is None:
        raise NotFound("The version has no such inline definition.", code="version_not_found")
    if json.digest(definition) != digest:
        raise Conflict("The version's definition is not the one that was started.", code="definition_changed")
    _cache[key] = definition
    if len(_cache) > _CACHE_SIZE:
        _cache.popitem(last=False)
    return definition
