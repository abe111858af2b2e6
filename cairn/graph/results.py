"""What a node's result does to the state: outputs, state keys and their reducers, and the ways on from the node."""

from __future__ import annotations

import copy

from cairn.contracts.executions import NodeFailure, Usage
from cairn.contracts.json import Json, JsonObject
from cairn.graph.compiled import Graph, GraphNode, Way
from cairn.graph.expressions import ExpressionError
from cairn.graph.nodes.base import evaluate
from cairn.graph.reducers import ReducerError, reduce
from cairn.graph.schema import validate_json
from cairn.graph.state import Done, ExecutionState, Token, Work
from cairn.graph.templates import TemplateError


class StateError(ValueError):
    """A value breaks the schema of its state key."""

    code = "state_schema"


NODE_ERRORS = (ExpressionError, TemplateError, ReducerError, StateError)
"""What is wrong with a graph's own expressions and values: it fails the node."""


def returned(graph: Graph, state: ExecutionState, node: GraphNode, value: Json) -> None:
    """Keep what a node returned, and write it to the state key that its author named.

    Raises:
        ReducerError: the key's reducer cannot take it.
        StateError: it breaks the key's schema.
    """
    state.outputs[node.id] = value
    if node.data.output is not None and node.kind.type != "end":
        write(graph, state, node.data.output, value)


def write(graph: Graph, state: ExecutionState, key: str, value: Json) -> None:
    """Write to a state key through its reducer. Raises as ``returned``."""
    declared = graph.state.get(key)
    new = reduce(declared.reducer if declared else "replace", state.values.get(key), value)
    if declared is not None and declared.json_schema is not None:
        errors = validate_json(declared.json_schema, new)
        if errors:
            raise StateError(f"state key {key!r} breaks its schema at {errors[0].pointer or '/'}: {errors[0].message}")
    state.values[key] = new


def choose(state: ExecutionState, node: GraphNode, on: str) -> Way | None:
    """Return the first way whose expression holds, else the first without one.

    Raises:
        ExpressionError: an expression failed or gave no boolean.
    """
    otherwise: Way | None = None
    scope: JsonObject | None = None
    for way in node.ways:
        if way.on != on:
            continue
        if way.expression is None:
            otherwise = otherwise or way
            continue
        scope = scope or state.scope()
        held = evaluate(way.expression, scope)
        if not isinstance(held, bool):
            raise ExpressionError(f"the expression of edge {way.label!r} gave no boolean: {way.expression}")
        if held:
            return way
    return otherwise


def leave(graph: Graph, state: ExecutionState, node: GraphNode, token: Token) -> None:
    """Go on from a node that is done; without a way on the execution fails with ``no_edge``.

    Raises:
        ExpressionError: an expression of an edge failed.
    """
    named = next((way for way in node.ways if way.id == token.way), None)
    way = named or choose(state, node, "success")
    if way is None:
        state.failure = NodeFailure(
            code="no_edge",
            message=f"no edge leads on from node {node.name!r}",
            node_id=node.id,
            visit=state.visits.get(node.id, 1),
        )
        return
    if node.kind.type == "condition":
        returned(graph, state, node, way.label)
    state.ready.append(Token(node_id=state.follow(way), forks=token.forks, labels=token.labels, last=token.last))


def node_done(
    graph: Graph, state: ExecutionState, work: Work, token: Token, value: Json, usage: Usage | None = None
) -> None:
    """Take what a node's work brought. Its checkpoint and the way on follow next. Raises as ``returned``."""
    node = graph.nodes[work.node_id]
    returned(graph, state, node, value)
    traced(state, node, work, token, value, usage)
    token.last, token.done, token.visit = value, True, work.visit
    state.ready.append(token)


def traced(
    state: ExecutionState, node: GraphNode, work: Work, token: Token, value: Json, usage: Usage | None = None
) -> None:
    """Tell who listens that a node's work ended well, and what was known then: a turn may go on from it at once."""
    if state.trace is None:
        return
    scope = copy.deepcopy(state.scope()) if node.data.compensate is not None else None
    what = (work.key, work.node_id, work.visit, work.data)
    state.trace.append(Done(*what, token.forks, token.labels, value, usage, scope))


def failure_of(node: GraphNode, visit: int, error: Exception) -> NodeFailure:
    """Return the failure of a node whose own expressions or values are wrong."""
    code = getattr(error, "code", "expression")
    return NodeFailure(code=code, message=f"node {node.name!r}: {error}", node_id=node.id, visit=visit)
