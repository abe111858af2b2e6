"""Parallel branches: forking, joining all, any or some of them, collecting failures, dropping what is not wanted."""

from __future__ import annotations

from dataclasses import replace

from cairn.contracts.executions import NodeFailure
from cairn.contracts.json import JsonObject
from cairn.graph.compiled import Graph, GraphNode
from cairn.graph.nodes.join import JoinData
from cairn.graph.state import ExecutionState, Fork, Notice, Token, Wait


def fork(state: ExecutionState, node: GraphNode, token: Token) -> None:
    """Send a token down every branch of a parallel."""
    ways = [way for way in node.ways if way.on == "success"]
    fork_id = f"{node.id}#{token.visit or state.visits[node.id]}"
    state.forks[fork_id] = Fork(open=[way.label for way in ways], origin=token)
    for way in ways:
        state.ready.append(
            Token(
                node_id=state.follow(way),
                forks=(*token.forks, fork_id),
                labels=(*token.labels, way.label),
                last=token.last,
            )
        )


def arrive_at_join(graph: Graph, state: ExecutionState, node: GraphNode, token: Token) -> None:
    """Take a branch's result at a join, and go on there when enough branches are in."""
    if not token.forks:
        state.ready.append(Token(node_id=node.id, last={}, joined=True))
        return
    passage = state.forks[token.forks[-1]]
    if passage.join_id not in (None, node.id):
        state.failure = NodeFailure(
            code="join_mismatch",
            message=f"branches of one parallel meet at two joins, {passage.join_id!r} and {node.id!r}",
            node_id=node.id,
        )
        return
    passage.join_id = node.id
    passage.results[token.labels[-1]] = token.last
    close_branch(graph, state, token)


def close_branch(graph: Graph, state: ExecutionState, token: Token) -> None:
    """Take a branch off its fork; when enough are in go on at the join, when all ended close the branch around it."""
    while token.forks:
        fork_id = token.forks[-1]
        passage = state.forks[fork_id]
        passage.open.remove(token.labels[-1])
        join = graph.nodes[passage.join_id] if passage.join_id is not None else None
        needed = _needed(join)
        succeeded = len(passage.results) - len(passage.failed)
        if passage.open and (needed is None or succeeded < needed):
            return
        drop(state, fork_id)
        token = passage.origin
        if join is None:
            continue
        if needed is not None and succeeded < needed:
            said = f"node {join.name!r}: {succeeded} of the {needed} branches that it needs have come"
            failure = NodeFailure(code="branches_failed", message=said, node_id=join.id)
            fail_branch(graph, state, join, token, failure)
            return
        state.ready.append(replace(token, node_id=join.id, last=passage.results, joined=True, done=False, way=None))
        return


def fail_branch(graph: Graph, state: ExecutionState, node: GraphNode, token: Token, failure: NodeFailure) -> None:
    """Take a failure that no edge handles: the nearest join that collects has it, else the execution fails."""
    forks, labels = token.forks, token.labels
    while forks and state.engine > 1:
        passage = state.forks[forks[-1]]
        join_id = passage.join_id or graph.joins.get(passage.origin.node_id)
        join = graph.nodes[join_id] if join_id is not None else None
        if join is not None and isinstance(join.data, JoinData) and join.data.on_error == "collect":
            passage.join_id = join.id
            passage.failed.append(labels[-1])
            passage.results[labels[-1]] = {"error": error_of(failure, node)}
            close_branch(graph, state, replace(token, forks=forks, labels=labels))
            return
        drop(state, forks[-1])
        forks, labels = forks[:-1], labels[:-1]
    state.failure = failure


def error_of(failure: NodeFailure, node: GraphNode) -> JsonObject:
    """Return what graphs see of a failure."""
    return {"code": failure.code, "message": failure.message, "attempt": failure.attempt, "node_id": node.id}


def drop(state: ExecutionState, fork_id: str) -> None:
    """Let go of a fork and of all that is still under way inside it."""
    if fork_id not in state.forks:
        return
    del state.forks[fork_id]
    state.ready = type(state.ready)(token for token in state.ready if fork_id not in token.forks)
    for inner in [each for each, passage in state.forks.items() if fork_id in passage.origin.forks]:
        del state.forks[inner]
    for owner in [each for each, loop in state.loops.items() if fork_id in loop.token.forks]:
        del state.loops[owner]
    state.due = [owner for owner in state.due if owner in state.loops]
    for key in [each for each, work in state.in_flight.items() if fork_id in work.token.forks]:
        work = state.in_flight.pop(key)
        if isinstance(work.run, Wait) and work.run.request_id is not None:
            state.notices.append(Notice(work.run, "cancelled"))


def stands(state: ExecutionState, token: Token) -> bool:
    """Whether the parallels that a token is inside of are all still under way."""
    return all(fork_id in state.forks for fork_id in token.forks)


def _needed(join: GraphNode | None) -> int | None:
    """Return how many branches a join waits for; None for all."""
    if join is None or not isinstance(join.data, JoinData) or join.data.mode == "all":
        return None
    return 1 if join.data.mode == "any" else join.data.mode
