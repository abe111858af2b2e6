"""Child executions: their rows, what a map that takes another's place keeps of it, and how many a parent has."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.children import KeptItems, KeptRequest, work_digest
from cairn.contracts.executions import ExecutionInput, Parent, Usage, execution_tag
from cairn.domain.executions.model import Children
from cairn.graph.state import Child
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import ExecutionRow, GraphVersionRow
from cairn.temporal.checkpoints import Projection

_STATUSES = {"pending": "running"}


async def add_child(
    session: AsyncSession, temporal_id: str, start: ExecutionInput, parent: Parent, run_id: str
) -> ExecutionRow | None:
    """Insert the row of a child that its parent's workflow has started.

    Returns:
        The row; None when the graph's version is gone.
    """
    version = await session.get(GraphVersionRow, start.graph.version_id)
    if version is None:
        return None
    row = ExecutionRow(
        id=start.execution_id,
        tenant=start.tenant,
        live=start.live,
        temporal_id=temporal_id,
        tag=execution_tag(start.tenant, start.execution_id),
        run_id=run_id,
        graph_id=version.graph_id,
        workflow_uuid=start.graph.workflow_id,
        version_id=start.graph.version_id,
        version=start.graph.version,
        digest=start.graph.digest,
        surface=start.surface,
        user_id=await _user_of(session, parent),
        status="running",
        input_data=start.input,
        metadata_=start.metadata,
        parent_execution_id=parent.execution_id,
        parent_node_id=parent.node_id,
        parent_visit=parent.visit,
        parent_map_id=parent.map_id,
        parent_index=parent.index,
        work_digest=work_digest(start),
        started=True,
    )
    return await Repository(session, ExecutionRow).add(row)


async def _user_of(session: AsyncSession, parent: Parent) -> str | None:
    query = select(col(ExecutionRow.user_id)).where(col(ExecutionRow.temporal_id) == parent.temporal_id)
    return (await session.execute(query)).scalar_one_or_none()


async def keep_items(session: AsyncSession, request: KeptRequest) -> KeptItems:
    """Hand finished items of a discarded map over to the map that takes its place; return their values.

    An item is handed over when it completed and works on the same. From then on it belongs to the new map, so that
    yet another one finds it there.
    """
    last = request.first + len(request.digests)
    maps = col(ExecutionRow.parent_map_id).in_([request.previous, request.map_id])
    query = select(ExecutionRow).where(
        maps,
        col(ExecutionRow.tenant) == request.tenant,
        col(ExecutionRow.parent_index) >= request.first,
        col(ExecutionRow.parent_index) < last,
        col(ExecutionRow.status) == "completed",
    )
    kept = KeptItems()
    usage = Usage()
    keys: list[int | None] = []
    for row in (await session.execute(query)).scalars():
        index = row.parent_index or 0
        if row.work_digest != request.digests[index - request.first] or index in kept.values:
            continue
        kept.values[index] = row.output_data
        usage = usage.plus(Usage.model_validate(row.usage or {}))
        keys.append(row.key)
    moved = update(ExecutionRow).where(col(ExecutionRow.key).in_(keys)).values(parent_map_id=request.map_id)
    await session.execute(moved)
    kept.usage = usage if usage.requests else None
    return kept


def map_items(projection: Projection) -> dict[tuple[str, int], int]:
    """Return how many items the maps have that are under way, by node and visit."""
    if not projection.engine.started:
        return {}
    works = [work.run for work in projection.engine.state.in_flight.values()]
    return {(w.node_id, w.visit): len(w.data["items"]) for w in works if isinstance(w, Child) and w.map}


async def children_of(
    session: AsyncSession, scope: Scope, execution_id: str, items: Mapping[tuple[str, int], int]
) -> dict[str, Children]:
    """Count the children of an execution by the node that started them.

    Of several children that did the same work (a reset had it done again) the latest counts.

    Args:
        session: to read from.
        scope: whose execution.
        execution_id: the parent.
        items: how many items the maps have that are under way, by node and visit.
    """
    node, visit, status = (
        col(ExecutionRow.parent_node_id),
        col(ExecutionRow.parent_visit),
        col(ExecutionRow.status),
    )
    children = Repository(session, ExecutionRow).owned(scope)
    children.append(col(ExecutionRow.parent_execution_id) == execution_id)
    latest = select(func.max(col(ExecutionRow.key))).where(*children)
    latest = latest.group_by(node, visit, col(ExecutionRow.parent_index))
    counted = select(node, visit, status, func.count()).where(col(ExecutionRow.key).in_(latest))
    found = {node_id: Children() for node_id, _ in items}
    waiting = dict(items)
    for node_id, of_visit, name, number in (await session.execute(counted.group_by(node, visit, status))).all():
        work = (node_id or "", of_visit or 0)
        of_node = found.setdefault(work[0], Children())
        state = _STATUSES.get(name, name)
        setattr(of_node, state, getattr(of_node, state) + number)
        if work in waiting:
            waiting[work] -= number
    for (node_id, _), number in waiting.items():
        found[node_id].waiting += max(number, 0)
    return found
