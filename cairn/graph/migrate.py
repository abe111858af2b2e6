"""Whether a paused execution can go on by another version of its graph."""

from __future__ import annotations

from collections.abc import Iterator

from cairn.contracts.json import JsonObject
from cairn.errors import Conflict
from cairn.graph.compiled import Graph, GraphNotExecutable, compile_graph
from cairn.graph.reads import read_of_input
from cairn.graph.state import ExecutionState, Token


def check_migration(state: ExecutionState, graph: Graph, definition: JsonObject) -> Graph:
    """Return the other version ready to run, if every place where the execution stands exists in it.

    Args:
        state: where the execution stands.
        graph: the version that it runs now.
        definition: of the other version.

    Raises:
        Conflict: a node is gone or of another kind (``node_gone``, with ``node_id``), so is the edge by which a call
            leaves its node (``edge_gone``, with ``edge_id``), the item of a map would miss some of the input
            (``input_not_given``), or the version cannot run.
    """
    try:
        other = compile_graph(definition)
    except GraphNotExecutable as error:
        raise Conflict(str(error), code="graph_not_executable") from error
    for node_id in dict.fromkeys(_places(state)):
        old, new = graph.nodes[node_id], other.nodes.get(node_id)
        if new is None or new.kind.type != old.kind.type:
            what = "is not in" if new is None else f"is of kind {new.kind.type} in"
            raise Conflict(
                f"The execution stands at node {old.name!r} ({node_id}), which {what} that version",
                code="node_gone",
                extra={"node_id": node_id},
            )
    _check_way(state, other)
    _check_input(state, graph, other)
    return other


def _check_way(state: ExecutionState, other: Graph) -> None:
    call = state.call
    if call is None or call.token is None or call.way is None:
        return
    if all(way.id != call.way for way in other.nodes[call.token.node_id].ways):
        raise Conflict(
            f"The call leaves its node by the edge {call.way!r}, which that version does not have there",
            code="edge_gone",
            extra={"edge_id": call.way},
        )


def _check_input(state: ExecutionState, graph: Graph, other: Graph) -> None:
    """Refuse to have the item of a map read what it was not given: it has what its own version reads."""
    if state.item is None or state.engine < 7:
        return
    given = read_of_input(graph)
    missing = [path for path in read_of_input(other) if not any(path[: len(each)] == each for each in given)]
    if missing:
        name = ".".join(("input", *min(missing)))
        message = f"The item was given what its own version reads of the input; that version reads {name}, too"
        raise Conflict(message, code="input_not_given")


def _places(state: ExecutionState) -> Iterator[str]:
    tokens: list[Token] = [
        *state.ready,
        *(work.token for work in state.in_flight.values()),
        *(loop.token for loop in state.loops.values()),
        *(fork.origin for fork in state.forks.values()),
    ]
    if state.call is not None and state.call.token is not None:
        tokens.append(state.call.token)
    yield from (token.node_id for token in tokens)
    yield from (fork.join_id for fork in state.forks.values() if fork.join_id is not None)
