"""The limits of an execution: visits, steps, tokens, cost, time. Over one it pauses; who resumes it grants it anew."""

from __future__ import annotations

from datetime import datetime

from cairn.contracts.executions import Usage
from cairn.graph.compiled import Graph, GraphNode
from cairn.graph.state import ExecutionState


def over_limit(graph: Graph, state: ExecutionState, node: GraphNode, now: datetime) -> str | None:
    """Return why the execution is to pause before a node: its visits, or a limit of the whole; None to go on."""
    if state.visits.get(node.id, 0) >= node.data.max_visits + state.allowance.get(node.id, 0):
        return f"node {node.name!r} reached its limit of {node.data.max_visits} visits"
    if graph.limits.steps is not None and state.spent.steps >= graph.limits.steps:
        return f"the execution reached its limit of {graph.limits.steps} steps"
    return over_budget(graph, state, now)


def over_budget(graph: Graph, state: ExecutionState, now: datetime) -> str | None:
    """Return which limit of the whole execution is reached: tokens, cost or time; None for none."""
    limits, spent = graph.limits, state.spent
    if limits.tokens is not None and spent.tokens >= limits.tokens:
        return f"the execution reached its limit of {limits.tokens} tokens"
    if limits.cost is not None and spent.cost >= limits.cost:
        return f"the execution reached its limit of {limits.cost} US dollars"
    if limits.seconds is not None and spent.since is not None and (now - spent.since).total_seconds() >= limits.seconds:
        return f"the execution reached its limit of {limits.seconds} seconds"
    return None


def used(state: ExecutionState, usage: Usage | None) -> None:
    """Count what models have used."""
    if usage is not None:
        state.usage = state.usage.plus(usage)
        state.spent.tokens += usage.input_tokens + usage.output_tokens
        state.spent.cost += usage.cost or 0.0


def grant(graph: Graph, state: ExecutionState, now: datetime) -> None:
    """Grant the limits anew: what a person does who resumes an execution that paused over one."""
    state.spent.steps = state.spent.tokens = 0
    state.spent.cost = 0.0
    state.spent.since = now
    for token in state.ready:
        node = graph.nodes[token.node_id]
        if not token.done and state.visits.get(node.id, 0) >= node.data.max_visits + state.allowance.get(node.id, 0):
            state.allowance[node.id] = state.allowance.get(node.id, 0) + node.data.max_visits
