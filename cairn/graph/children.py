"""Child executions and maps: what a node that has one commands."""

from __future__ import annotations

import hashlib

from cairn.contracts.executions import ChildSeed, GraphRef, NodeFailure
from cairn.contracts.json import JsonObject, digest
from cairn.graph.compiled import GraphNode, GraphNotExecutable, compiled
from cairn.graph.keys import next_key
from cairn.graph.nodes.map import MapData
from cairn.graph.reads import ALL, only, read_of_input
from cairn.graph.state import Child, ExecutionState, Line, Run
from cairn.graph.waits import later

MAX_DEPTH = 10
"""Executions above one another."""


def make_child(state: ExecutionState, node: GraphNode, run: Run, line: Line) -> Child | NodeFailure:
    """Return the child that a node asks for, or why there can be none.

    Args:
        state: of the parent.
        node: of a kind that has a child.
        run: the node's visit and what its kind resolved.
        line: where and when.
    """
    if state.depth >= MAX_DEPTH:
        return _refused(run, "too_deep", f"would be more than {MAX_DEPTH} executions deep")
    ref = _graph_of(state, node, run, line)
    if ref is None:
        name = run.data["workflow_id"]
        return _refused(run, "graph_not_found", f"names {name!r}, which was not published when the execution began")
    key = next_key(state, node.id, run.visit)
    is_map = node.kind.child == "map"
    seeds = take_seeds(state, node.id, run.visit)
    return Child(
        key=key,
        node_id=node.id,
        visit=run.visit,
        summary=node.name,
        temporal_id=child_id(is_map, line, key),
        graph=ref if is_map else version_of(seeds, ref),
        data=run.data,
        given=_input_of_items(state, node.data, ref) if isinstance(node.data, MapData) else {},
        map=is_map,
        seeds=seeds,
        deadline=later(line.now, node.timeout) if node.timeout is not None and state.engine > 3 else None,
        agents=list(state.agents),
    )


def child_id(is_map: bool, line: Line, key: str) -> str:
    """Return the id of a child: another one in each line, so that an ended line's children are none of this one's."""
    name = hashlib.sha256(f"{line.temporal_id}/{key}/{line.lineage}".encode()).hexdigest()[:32]
    return f"{'map' if is_map else 'exec'}_{name}"


def _graph_of(state: ExecutionState, node: GraphNode, run: Run, line: Line) -> GraphRef | None:
    if isinstance(node.data, MapData) and node.data.body is not None and line.graph is not None:
        return line.graph.model_copy(update={"body": [*line.graph.body, node.id], "digest": digest(node.data.body)})
    return state.pins.get(str(run.data.get("workflow_id")))


def _input_of_items(state: ExecutionState, data: MapData, ref: GraphRef) -> JsonObject:
    """Return the ``input`` of a map's items, nothing when it is all that the execution itself was given."""
    if state.engine < 7:
        return {}
    if data.body is None:
        return {"input": {}}  # to a graph that is named the item itself is the input
    try:
        read = read_of_input(compiled(data.body, ref.digest))
    except GraphNotExecutable:
        return {}  # each item says so
    return {} if ALL in read else {"input": only(state.input, read)}


def take_seeds(state: ExecutionState, node_id: str, visit: int, index: int | None = None) -> list[ChildSeed]:
    """Take the seeds that are meant for the child of a node's visit, or for the one of these that ``index`` says."""
    meant = [
        seed
        for seed in state.seeds
        if (seed.node_id, seed.visit) == (node_id, visit) and (index is None or seed.index == index)
    ]
    state.seeds = [seed for seed in state.seeds if seed not in meant]
    return meant


def version_of(seeds: list[ChildSeed], ref: GraphRef) -> GraphRef:
    """Return the version that a child runs: where it goes on from a checkpoint, the one that it ran there."""
    return (seeds[0].graph if seeds else None) or ref


def _refused(run: Run, code: str, why: str) -> NodeFailure:
    return NodeFailure(code=code, message=f"node {run.summary!r} {why}", node_id=run.node_id, visit=run.visit)
