"""Where the branches of parallels meet."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cairn.graph.compiled import GraphNode


class Joins:
    """The join at which the branches of each parallel meet, where there is one.

    Looked for when it is asked for: what is asked for is where a failed branch is collected, and most executions never
    do. In a graph of thousands of parallels to look for all of them takes longer than a workflow task may.
    """

    __slots__ = ("_found", "_leading", "_nodes")

    def __init__(self, nodes: Mapping[str, GraphNode]) -> None:
        """Take the nodes of a graph."""
        self._nodes = nodes
        self._found: dict[str, str | None] = {}
        self._leading: frozenset[str] | None = None

    def get(self, parallel_id: str) -> str | None:
        """Return the nearest join that the branches lead to, past the parallels inside of it; None: there is none."""
        parallel = self._nodes.get(parallel_id)
        if parallel is None or parallel.kind.type != "parallel":
            return None
        if parallel_id not in self._found:
            self._found[parallel_id] = self._nearest(parallel)
        return self._found[parallel_id]

    def _nearest(self, parallel: GraphNode) -> str | None:
        if self._leading is None:
            self._leading = _leading_to_joins(self._nodes)
        waiting = deque((way.target, 0) for way in parallel.ways)
        seen: set[tuple[str, int]] = set()
        while waiting:
            place = node_id, depth = waiting.popleft()
            if place in seen or node_id not in self._leading or depth > len(self._nodes):
                continue
            seen.add(place)
            node = self._nodes[node_id]
            if node.kind.type == "join" and depth == 0:
                return node_id
            inner = {"parallel": 1, "join": -1}.get(node.kind.type, 0)
            waiting.extend((way.target, depth + inner) for way in node.ways)
        return None


def _leading_to_joins(nodes: Mapping[str, GraphNode]) -> frozenset[str]:
    """Return the joins, and the nodes from which one can be reached."""
    sources: dict[str, list[str]] = {}
    for node in nodes.values():
        for way in node.ways:
            sources.setdefault(way.target, []).append(node.id)
    waiting = [node.id for node in nodes.values() if node.kind.type == "join"]
    found = set(waiting)
    while waiting:
        new = [source for source in sources.get(waiting.pop(), ()) if source not in found]
        found.update(new)
        waiting.extend(new)
    return frozenset(found)
