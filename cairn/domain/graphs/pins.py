"""The versions that an execution's children run: those that are published when it begins."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from cairn.contracts.executions import GraphRef
from cairn.contracts.json import JsonObject
from cairn.domain.graphs.pinned import published_version
from cairn.errors import Conflict, NotFound
from cairn.graph.references import graphs_named
from cairn.persistence.repository import Scope

MAX_PINS = 1000
"""So many graphs at most are pinned for one execution; a node that names one more fails as ``graph_not_found``."""


async def pins_of(session: AsyncSession, scope: Scope, definition: JsonObject) -> dict[str, GraphRef]:
    """Return the published versions of all graphs that a definition's nodes name, and that these name in turn.

    Args:
        session: to read from.
        scope: whose graphs.
        definition: a valid one.

    Returns:
        By the name that nodes use, id or uuid. A graph that does not exist, is archived or has no published version
        is missing.
    """
    pins: dict[str, GraphRef] = {}
    seen: set[str] = set()
    left = sorted(graphs_named(definition))
    while left and len(seen) < MAX_PINS:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            version = await published_version(session, scope, name)
        except (NotFound, Conflict):
            continue
        pins[name] = version.ref
        left += sorted(graphs_named(version.definition) - seen)
    return pins
