"""The pure step function: state + graph -> the work to do next. Nothing here reads a clock, a network, a random number.

``advance`` lets every ready token enter its node. Kinds without I/O are carried out at once; for the others a
:class:`Run` is returned, and ``complete`` or ``fail`` takes what came of it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from cairn.contracts.executions import NodeFailure
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import MARK_CHECKPOINT, NodeResult
from cairn.graph.compiled import Graph, GraphNode, Way
from cairn.graph.expressions import ExpressionError
from cairn.graph.nodes.base import evaluate
from cairn.graph.reducers import ReducerError, reduce
from cairn.graph.schema import validate_json
from cairn.graph.state import ExecutionState, Fork, InFlight, Run, Token
from cairn.graph.templates import TemplateError

NodeErrors = (ExpressionError, TemplateError, ReducerError)


class _StateError(ValueError):
    """A value breaks the schema of its state key."""


def begin(graph: Graph, execution: JsonObject, input_data: Json) -> ExecutionState:
    """Return the state of an execution that stands before its start node."""
    state = ExecutionState(input=input_data, values=dict(graph.initial_state), execution=execution)
    state.ready.append(Token(node_id=graph.start))
    return state


def advance(graph: Graph, state: ExecutionState, now: datetime) -> tuple[list[Run], str | None]:
    """Let ready tokens enter their nodes until only work under way is left.

    Args:
        graph: the graph.
        state: changed in place.
        now: workflow time, for the limit in seconds.

    Returns:
        The work to start, and the reason to pause when a limit is reached (the token that reached it stays ready).
    """
    runs: list[Run] = []
    if state.spent.since is None:
        state.spent.since = now
    while state.ready and state.failure is None:
        token = state.ready[0]
        node = graph.nodes[token.node_id]
        reason = _over_limit(graph, state, node, now)
        if reason is not None:
            return runs, reason
        state.ready.popleft()
        run = _enter(graph, state, node, token)
        if run is not None:
            runs.append(run)
    return runs, None


def grant(graph: Graph, state: ExecutionState, now: datetime) -> None:
    """Grant the limits anew: what a person does who resumes an execution that paused over one."""
    state.spent.steps = state.spent.tokens = 0
    state.spent.cost = 0.0
    state.spent.since = now
    for token in state.ready:
        node = graph.nodes[token.node_id]
        if state.visits.get(node.id, 0) >= node.data.max_visits + state.allowance.get(node.id, 0):
            state.allowance[node.id] = state.allowance.get(node.id, 0) + node.data.max_visits


def complete(graph: Graph, state: ExecutionState, key: str, result: NodeResult) -> None:
    """Take the result of a piece of work; a key that is not under way is ignored."""
    work = state.in_flight.pop(key, None)
    if work is None:
        return
    if result.usage is not None:
        state.usage = state.usage.plus(result.usage)
        state.spent.tokens += result.usage.input_tokens + result.usage.output_tokens
        state.spent.cost += result.usage.cost or 0.0
    node = graph.nodes[work.run.node_id]
    try:
        if node.kind.activity is not None:
            _returned(graph, state, node, result.value)
            work.token.last = result.value
            _leave(graph, state, node, work.token)
        else:
            _carry_on(graph, state, node, work.token)
    except (*NodeErrors, _StateError) as error:
        _failed(graph, state, node, work.token, _failure_of(node, work.run.visit, error))


def fail(graph: Graph, state: ExecutionState, key: str, failure: NodeFailure) -> None:
    """Take the final failure of a piece of work; a key that is not under way is ignored."""
    work = state.in_flight.pop(key, None)
    if work is not None:
        _failed(graph, state, graph.nodes[work.run.node_id], work.token, failure)


def redo(state: ExecutionState, key: str) -> Run | None:
    """Command work anew that a reset had parked; returns None when it is not under way."""
    work = state.in_flight.pop(key, None)
    return None if work is None else _dispatch(state, work.token, work.run)


def _over_limit(graph: Graph, state: ExecutionState, node: GraphNode, now: datetime) -> str | None:
    if state.visits.get(node.id, 0) >= node.data.max_visits + state.allowance.get(node.id, 0):
        return f"node {node.name!r} reached its limit of {node.data.max_visits} visits"
    limits, spent = graph.limits, state.spent
    if limits.steps is not None and spent.steps >= limits.steps:
        return f"the execution reached its limit of {limits.steps} steps"
    if limits.tokens is not None and spent.tokens >= limits.tokens:
        return f"the execution reached its limit of {limits.tokens} tokens"
    if limits.cost is not None and spent.cost >= limits.cost:
        return f"the execution reached its limit of {limits.cost} US dollars"
    if limits.seconds is not None and spent.since is not None and (now - spent.since).total_seconds() >= limits.seconds:
        return f"the execution reached its limit of {limits.seconds} seconds"
    return None


def _enter(graph: Graph, state: ExecutionState, node: GraphNode, token: Token) -> Run | None:
    """Do what a node does when a token arrives; return the work that must be done outside."""
    if node.kind.type == "join" and not token.joined:
        _arrive_at_join(state, node, token)
        return None
    visit = state.visits[node.id] = state.visits.get(node.id, 0) + 1
    state.spent.steps += 1
    try:
        if node.kind.activity is not None:
            data = node.kind.resolve(node.data, state.scope())
            return _dispatch_node(state, node, token, visit, data)
        _carry_out(graph, state, node, token)
        if node.checkpoint is not None:
            return _dispatch_node(state, node, token, visit, {})
        _carry_on(graph, state, node, token)
    except (*NodeErrors, _StateError) as error:
        _failed(graph, state, node, token, _failure_of(node, visit, error))
    return None


def _carry_out(graph: Graph, state: ExecutionState, node: GraphNode, token: Token) -> None:
    """Do the work of a kind that has no I/O."""
    match node.kind.type:
        case "start":
            token.last = state.input
        case "transform":
            token.last = values = node.kind.resolve(node.data, state.scope())
            for key, value in values.items():
                _write(graph, state, key, value)
        case "join":
            pass  # the branches' results are in token.last already
        case _:
            return
    _returned(graph, state, node, token.last)


def _carry_on(graph: Graph, state: ExecutionState, node: GraphNode, token: Token) -> None:
    """Go on from a node without I/O, after its checkpoint if it has one."""
    match node.kind.type:
        case "parallel":
            _fork(state, node, token)
        case "end":
            _end(state, node, token)
        case _:
            _leave(graph, state, node, token)


def _returned(graph: Graph, state: ExecutionState, node: GraphNode, value: Json) -> None:
    state.outputs[node.id] = value
    if node.data.output is not None and node.kind.type != "end":
        _write(graph, state, node.data.output, value)


def _write(graph: Graph, state: ExecutionState, key: str, value: Json) -> None:
    declared = graph.state.get(key)
    new = reduce(declared.reducer if declared else "replace", state.values.get(key), value)
    if declared is not None and declared.json_schema is not None:
        errors = validate_json(declared.json_schema, new)
        if errors:
            raise _StateError(f"state key {key!r} breaks its schema at {errors[0].pointer or '/'}: {errors[0].message}")
    state.values[key] = new


def _leave(graph: Graph, state: ExecutionState, node: GraphNode, token: Token) -> None:
    way = _choose(state, node, "success")
    if way is None:
        state.failure = NodeFailure(
            code="no_edge",
            message=f"no edge leads on from node {node.name!r}",
            node_id=node.id,
            visit=state.visits.get(node.id, 1),
        )
        return
    if node.kind.type == "condition":
        _returned(graph, state, node, way.label)
    state.ready.append(Token(node_id=way.target, forks=token.forks, labels=token.labels, last=token.last))


def _choose(state: ExecutionState, node: GraphNode, on: str) -> Way | None:
    """Return the first way whose expression holds, else the first without one."""
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


def _fork(state: ExecutionState, node: GraphNode, token: Token) -> None:
    ways = [way for way in node.ways if way.on == "success"]
    fork_id = f"{node.id}#{state.visits[node.id]}"
    state.forks[fork_id] = Fork(open=[way.label for way in ways], origin=token)
    for way in ways:
        state.ready.append(
            Token(
                node_id=way.target,
                forks=(*token.forks, fork_id),
                labels=(*token.labels, way.label),
                last=token.last,
            )
        )


def _arrive_at_join(state: ExecutionState, node: GraphNode, token: Token) -> None:
    if not token.forks:
        state.ready.append(Token(node_id=node.id, last={}, joined=True))
        return
    fork = state.forks[token.forks[-1]]
    if fork.join_id not in (None, node.id):
        state.failure = NodeFailure(
            code="join_mismatch",
            message=f"branches of one parallel meet at two joins, {fork.join_id!r} and {node.id!r}",
            node_id=node.id,
        )
        return
    fork.join_id = node.id
    fork.results[token.labels[-1]] = token.last
    _close_branch(state, token)


def _close_branch(state: ExecutionState, token: Token) -> None:
    """Take a branch off its fork; when it was the last, go on at the join, or close the branch around the fork."""
    while token.forks:
        fork = state.forks[token.forks[-1]]
        fork.open.remove(token.labels[-1])
        if fork.open:
            return
        del state.forks[token.forks[-1]]
        token = fork.origin
        if fork.join_id is not None:
            state.ready.append(replace(token, node_id=fork.join_id, last=fork.results, joined=True))
            return


def _end(state: ExecutionState, node: GraphNode, token: Token) -> None:
    end = node.kind.resolve(node.data, state.scope())
    state.outputs[node.id] = end["output"]
    if end["status"] == "failed":
        state.failure = NodeFailure(
            code="failed",
            message=end["error"] or f"the execution ended at node {node.name!r}",
            node_id=node.id,
            visit=state.visits[node.id],
        )
        return
    state.output = {**(state.output or {}), **end["output"]}
    _close_branch(state, token)


def _failed(graph: Graph, state: ExecutionState, node: GraphNode, token: Token, failure: NodeFailure) -> None:
    """Follow the node's error edge, or fail the execution."""
    error = {"code": failure.code, "message": failure.message, "attempt": failure.attempt}
    state.outputs[node.id] = {"error": error}
    way = None
    try:
        if failure.code == "timeout":
            way = _choose(state, node, "timeout")
        way = way or _choose(state, node, "error")
    except ExpressionError as broken:
        failure = _failure_of(node, failure.visit, broken)
    if way is None:
        state.failure = failure
        return
    state.ready.append(Token(node_id=way.target, forks=token.forks, labels=token.labels, last={"error": error}))


def _failure_of(node: GraphNode, visit: int, error: Exception) -> NodeFailure:
    code = "state_schema" if isinstance(error, _StateError) else getattr(error, "code", "expression")
    return NodeFailure(code=code, message=f"node {node.name!r}: {error}", node_id=node.id, visit=visit)


def _dispatch_node(state: ExecutionState, node: GraphNode, token: Token, visit: int, data: JsonObject) -> Run:
    run = Run(
        key="",
        node_id=node.id,
        visit=visit,
        summary=node.name,
        activity=node.kind.activity or MARK_CHECKPOINT,
        data=data,
        timeout=node.timeout,
        retry=node.data.retry,
    )
    return _dispatch(state, token, run)


def _dispatch(state: ExecutionState, token: Token, run: Run) -> Run:
    """Put work under way under a key of its own: activity ids must not repeat within a run."""
    state.dispatched += 1
    run = replace(run, key=f"{run.node_id}#{run.visit}#{state.dispatched}")
    state.in_flight[run.key] = InFlight(run=run, token=token)
    return run
