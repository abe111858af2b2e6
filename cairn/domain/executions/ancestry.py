"""Replay of a child whose parent has gone on: what is above it is reset to before it was started, and starts it again.

The child then goes on from its own checkpoint; and so up to an execution that nobody waits for in vain.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import col

from cairn import errors
from cairn.contracts.executions import ChildSeed, GraphRef, Phase
from cairn.contracts.json import JsonObject
from cairn.domain.executions.service import ExecutionService
from cairn.graph.state import Child
from cairn.persistence.tables import ExecutionRow
from cairn.temporal.checkpoints import Checkpoint, Projection
from cairn.temporal.executions import Description

_OPEN = (Phase.RUNNING, Phase.PAUSED)


@dataclass(frozen=True, slots=True)
class Target:
    """The execution to reset, and where to.

    Attributes:
        seeds: from where its child goes on, once it starts it again.
    """

    row: ExecutionRow
    now: Description
    checkpoint: Checkpoint
    seeds: list[ChildSeed]


async def is_awaited(executions: ExecutionService, row: ExecutionRow, now: Description) -> bool:
    """Whether a reset of the execution alone is enough: it is no child, or is open and its parent waits for it."""
    if row.parent_execution_id is None:
        return True
    if now.phase not in _OPEN:
        return False
    _, above = await executions.located(row.parent_execution_id)
    if above.phase not in _OPEN:
        return False
    projection = await executions.temporal.project(above)
    awaited = row.parent_map_id or row.temporal_id
    flights = projection.engine.state.in_flight.values() if projection.engine.started else ()
    return any(isinstance(flight.run, Child) and flight.run.temporal_id == awaited for flight in flights)


async def with_ancestors(executions: ExecutionService, row: ExecutionRow) -> list[ExecutionRow]:
    """Return an execution and those above it, from the lowest up."""
    found = [row]
    while found[-1].parent_execution_id is not None:
        found.append(await executions.require(found[-1].parent_execution_id))
    return found


async def above(executions: ExecutionService, row: ExecutionRow, state: JsonObject, graph: GraphRef) -> Target:
    """Return what is to be reset so that a child goes on from a state of its own.

    Args:
        executions: of the caller.
        row: the child.
        state: the engine's state that it is to go on from.
        graph: what it ran there.

    Raises:
        Conflict: its parent's present line has not started it, or not by itself.
        Unavailable: Temporal does not answer.
    """
    while True:
        assert row.parent_execution_id is not None and row.parent_node_id is not None and row.parent_visit is not None
        parent, now = await executions.located(row.parent_execution_id)
        projection = await executions.temporal.project(now)
        checkpoint = await _before(executions, projection, parent.temporal_id, row.parent_map_id or row.temporal_id)
        if checkpoint is None:
            raise _left_behind(await _in_its_place(executions, row))
        seed = ChildSeed(
            node_id=row.parent_node_id,
            visit=row.parent_visit,
            index=row.parent_index,
            state=state,
            map_id=row.parent_map_id,
            input=row.input_data if row.parent_map_id is None else None,
            graph=graph,
        )
        if await is_awaited(executions, parent, now):
            return Target(parent, now, checkpoint, [seed])
        snapshot = await executions.temporal.state_at(now, checkpoint)
        if snapshot is None:
            raise errors.Conflict("The parent's state cannot be read", code="not_resettable")
        known: JsonObject = snapshot.engine["state"]
        state = {**snapshot.engine, "state": {**known, "seeds": [*known["seeds"], seed.model_dump()]}}
        row, graph = parent, snapshot.ref


async def _before(
    executions: ExecutionService, projection: Projection, temporal_id: str, child_id: str
) -> Checkpoint | None:
    """Return the latest checkpoint of a parent before the workflow task in which it started a child, if it did."""
    runs = [run.run_id for run in projection.runs]
    for position, run_id in enumerate(runs):
        task = await executions.temporal.reader.started_child(temporal_id, run_id, child_id)
        if task is None:
            continue
        earlier = runs[:position]
        kept = [
            each
            for each in projection.checkpoints
            if each.run_id in earlier or (each.run_id == run_id and each.point is not None and each.point <= task)
        ]
        if kept:
            return kept[-1]
    return None


async def _in_its_place(executions: ExecutionService, row: ExecutionRow) -> ExecutionRow | None:
    """Return the child that does the same work in a later line of the parent."""
    same = [
        col(ExecutionRow.parent_execution_id) == row.parent_execution_id,
        col(ExecutionRow.parent_node_id) == row.parent_node_id,
        col(ExecutionRow.parent_visit) == row.parent_visit,
        col(ExecutionRow.parent_index).is_not_distinct_from(row.parent_index),
        col(ExecutionRow.key) > row.key,
    ]
    query = executions.rows.select(executions.principal.scope, *same).order_by(col(ExecutionRow.key).desc()).limit(1)
    return (await executions.session.execute(query)).scalar_one_or_none()


def _left_behind(other: ExecutionRow | None) -> errors.Conflict:
    if other is None:
        said, extra = "replay the parent", None
    else:
        said, extra = f"{other.id} has taken its place", {"execution_id": other.id}
    message = f"The parent's present line has not started this execution; {said}"
    return errors.Conflict(message, code="not_resettable", extra=extra)
