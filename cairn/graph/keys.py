"""The names of pieces of work: activity ids must not repeat within a run."""

from __future__ import annotations

from cairn.graph.state import ExecutionState


def next_key(state: ExecutionState, node_id: str, visit: int) -> str:
    """Return a key for a piece of work."""
    return f"{node_id}#{visit}#{next_number(state)}"


def number_of(key: str) -> int:
    """Return which piece of work of the execution it is."""
    return int(key.rsplit("#", 1)[-1])


def next_number(state: ExecutionState) -> int:
    """Return the number of the next piece of work."""
    state.dispatched += 1
    return state.dispatched
