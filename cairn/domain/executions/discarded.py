"""What a reset of an execution goes back over, in it and below it.

That is its own work after the checkpoint, and all work of the children that it has started since: subgraphs, items of
maps, and what is below them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.executions import Phase
from cairn.contracts.resets import Compensated, RollbackStep
from cairn.persistence.tables import ExecutionRow
from cairn.temporal.executions import ExecutionClient
from cairn.temporal.impact import Aftermath, Effect, newest_first

_AT_ONCE = 16
_NAMES = 500
_OPEN = (Phase.RUNNING, Phase.PAUSED)
_GONE = "Temporal has removed its history, so that nobody knows what it did"


@dataclass(slots=True)
class Discarded:
    """What a reset goes back over.

    Attributes:
        children: Temporal ids of the children and maps that the execution's discarded line had started.
        steps: what a rollback undoes or reports, newest first over all executions.
        effects: what happened outside, or may have, newest first over all executions.
        compensates: a graph of one of the executions declares a compensation.
        open: Temporal ids of the executions below that have not ended.
    """

    children: list[str]
    steps: list[RollbackStep] = field(default_factory=list[RollbackStep])
    effects: list[Effect] = field(default_factory=list[Effect])
    compensates: bool = False
    open: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class _Above:
    """What a parent says of a child: the visits whose children are kept, or are undone as a whole by their node."""

    names: Mapping[str, str]
    kept: frozenset[tuple[str, int]]
    covered: frozenset[tuple[str, int]]


async def discarded(
    session: AsyncSession, temporal: ExecutionClient, after: Aftermath, *, reuse_completed: bool
) -> Discarded:
    """Return what a reset of an execution goes back over; nothing is changed.

    A child that was at work at the checkpoint stays, as the new line waits for it. One that was cancelled since, or has
    failed, does not: the new line starts another.

    Args:
        session: to read from.
        temporal: the client.
        after: what happened in the execution after the checkpoint.
        reuse_completed: what finished siblings brought is kept, and so are their children.

    Raises:
        Unavailable: Temporal does not answer.
    """
    kept = frozenset((visit.node_id, visit.visit) for visit in (after.kept() if reuse_completed else ()))
    started = [*after.children, *[each for each in after.attached if await _was_in_vain(temporal, each)]]
    found = Discarded(started)
    _add(found, after, reuse_completed=reuse_completed)
    above = dict.fromkeys(started, _Above(after.names, kept, frozenset(after.covered())))
    while above:
        below: dict[str, _Above] = {}
        rows = await _rows(session, above)
        await session.commit()  # nothing was written: the connection is free while Temporal is asked
        for row, child in await _read(temporal, rows, above):
            if child is None:
                found.steps.append(_unknown(row, above[row.parent_map_id or row.temporal_id]))
                continue
            _add(found, child)
            if child.now.closed is None:
                found.open.append(row.temporal_id)
            below |= dict.fromkeys(child.children, _Above(child.names, frozenset(), frozenset(child.covered())))
            if child.lost:
                found.steps.append(_unknown(row, above[row.parent_map_id or row.temporal_id]))
        above = below
    found.steps = newest_first(found.steps, lambda step: step.at)
    found.effects = newest_first(found.effects, lambda effect: effect.at)
    return found


def _add(found: Discarded, after: Aftermath, *, reuse_completed: bool = False) -> None:
    found.steps += after.rollback(reuse_completed=reuse_completed)
    found.effects += after.effects()
    found.compensates = found.compensates or after.compensates


async def _was_in_vain(temporal: ExecutionClient, temporal_id: str) -> bool:
    now = await temporal.describe(temporal_id)
    return now is not None and now.phase in (Phase.CANCELLED, Phase.FAILED)


async def _rows(session: AsyncSession, names: Iterable[str]) -> list[ExecutionRow]:
    """Return the executions of these names, and the items of maps of these names. Each has landed: it has a row."""
    rows, every = list[ExecutionRow](), list(names)
    for first in range(0, len(every), _NAMES):
        some = every[first : first + _NAMES]
        one, item = col(ExecutionRow.temporal_id).in_(some), col(ExecutionRow.parent_map_id).in_(some)
        rows += (await session.execute(select(ExecutionRow).where(or_(one, item)))).scalars()
    return rows


async def _read(
    temporal: ExecutionClient, rows: Iterable[ExecutionRow], above: Mapping[str, _Above]
) -> list[tuple[ExecutionRow, Aftermath | None]]:
    """Return what happened in each execution that is gone back over; None when Temporal has forgotten it.

    The items of a map run one graph: when it can do nothing outside, one of them stands for all that have ended.
    """
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(row: ExecutionRow) -> tuple[ExecutionRow, Aftermath | None, bool]:
        async with limit:
            now = await temporal.describe(row.temporal_id)
            told = above[row.parent_map_id or row.temporal_id]
            work = (row.parent_node_id or "", row.parent_visit or 0)
            # A node's own compensation is for what it brought, so for a child that completed, and for a whole map.
            whole = row.parent_map_id is not None or (now is not None and now.phase is Phase.COMPLETED)
            if work in told.kept or (whole and work in told.covered):
                return row, None, True
            return row, None if now is None else await temporal.all_of(now, row.id), False

    groups: dict[tuple[str, int], list[ExecutionRow]] = defaultdict(list)
    for row in rows:
        groups[row.parent_map_id or row.temporal_id, row.version_id].append(row)
    found = await asyncio.gather(*(one(group[0]) for group in groups.values()))
    harmless = {(row.parent_map_id, row.version_id) for row, after, _ in found if after is not None and after.harmless}
    rest = [
        row
        for group in groups.values()
        for row in group[1:]
        if (row.parent_map_id, row.version_id) not in harmless or row.status in _OPEN
    ]
    found += await asyncio.gather(*(one(row) for row in rest))
    return [(row, after) for row, after, spared in found if not spared]


def _unknown(row: ExecutionRow, above: _Above) -> RollbackStep:
    """Report a child of which Temporal does not know any more what it did."""
    node_id = row.parent_node_id or ""
    return RollbackStep(
        outcome=Compensated(
            node_id=node_id,
            visit=row.parent_visit or 1,
            name=above.names.get(node_id, node_id),
            status="uncertain",
            error=_GONE,
            execution_id=row.id,
        ),
        at=row.closed_at,
    )
