"""What must hold of joins: that the branches which come to them are enough, and meet at one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cairn.graph.issues import issue
from cairn.graph.model import Edge, EdgeData, GraphIssue, Node

MAX_STEPS = 400_000
"""Steps along edges that are taken to judge the parallels of one graph; those that would take more are not judged."""
_MAX_FORKS = 8
"""Parallels inside a branch that are told apart."""


@dataclass(slots=True)
class _Branch:
    """What a branch of a parallel may come to.

    Attributes:
        joins: the first joins on its ways that its parallel's branches meet at.
        may_end: it may end before any.
    """

    joins: set[str] = field(default_factory=set[str])
    may_end: bool = False


class _TooMuch(Exception):
    """Looking further would take too long, or parallels are nested too deep to be told apart."""


def validate_joins(
    nodes: Sequence[Node], outgoing: Mapping[str, Sequence[tuple[Edge, EdgeData]]], reached: Mapping[str, set[int]]
) -> Iterator[GraphIssue]:
    """Yield joins that wait for more branches than come to them, and parallels whose branches meet at several joins."""
    look = _Look({node.id: node for node in nodes}, outgoing)
    coming: dict[str, list[tuple[str, int]]] = {}
    for node in nodes:
        if node.type != "parallel" or node.id not in reached:
            continue
        try:
            branches = [look.branch(edge) for edge, data in outgoing[node.id] if data.on == "success"]
        except _TooMuch:
            return  # what is said of a join depends on all parallels
        yield from _meeting(node, branches, look.nodes)
        for join in sorted({join for branch in branches for join in branch.joins}):
            count = sum(join in branch.joins for branch in branches)
            coming.setdefault(join, []).append((node.id, count))
    for node in nodes:
        mode = node.data.get("mode")
        if type(mode) is int and node.id in coming:
            yield from _enough(node, mode, coming[node.id])


def _meeting(parallel: Node, branches: Sequence[_Branch], nodes: Mapping[str, Node]) -> Iterator[GraphIssue]:
    """Yield whether no join is one that all branches may come to."""
    joining = [branch for branch in branches if branch.joins]
    joins = sorted({join for branch in joining for join in branch.joins})
    if len(joins) < 2 or set(joins).intersection(*(branch.joins for branch in joining)):
        return
    bound = [branch.joins for branch in joining if not branch.may_end]
    waited_for = all(
        nodes[join].data.get("mode", "all") == "all" and nodes[join].data.get("on_error", "fail") == "fail"
        for join in joins
    )
    fails = waited_for and len(bound) > 1 and not set(joins).intersection(*bound)
    named = [f"'{join}'" for join in joins]
    said = f"{', '.join(named[:-1])} and {named[-1]}" if len(named) <= 5 else f"{', '.join(named[:5])}, …"
    message = f"Branches of this Parallel lead to Joins that are not the same: {said}"
    yield issue("node", parallel.id, None, message, warning=not fails)


def _enough(join: Node, mode: int, coming: Sequence[tuple[str, int]]) -> Iterator[GraphIssue]:
    few = next(((parallel, count) for parallel, count in coming if count < mode), None)
    if few is not None:
        message = f"Join waits for {mode} branches, but Parallel '{few[0]}' sends it {few[1]}"
        enough = any(count >= mode for _, count in coming)
        yield issue("node", join.id, "data.mode", message, warning=enough)


class _Look:
    """Follows branches to the joins that they come to; parallels inside of them are passed with their own joins."""

    def __init__(self, nodes: Mapping[str, Node], outgoing: Mapping[str, Sequence[tuple[Edge, EdgeData]]]) -> None:
        self.nodes = nodes
        self._outgoing = outgoing
        self._steps = 0

    def branch(self, first: Edge) -> _Branch:
        """Return what a branch may come to.

        Raises:
            _TooMuch: that is not known.
        """
        found = _Branch()
        waiting, seen = deque([(first.target, 0)]), {(first.target, 0)}
        while waiting:
            node_id, depth = waiting.popleft()
            node = self.nodes.get(node_id)
            edges = self._outgoing.get(node_id, ())
            if node is not None and node.type == "join" and depth == 0:
                found.joins.add(node_id)
                continue
            if node is None or not edges:
                found.may_end = True
                continue
            depth += {"parallel": 1, "join": -1}.get(node.type, 0)
            self._steps += len(edges)
            if depth > _MAX_FORKS or self._steps > MAX_STEPS:
                raise _TooMuch
            new = {(edge.target, depth) for edge, _ in edges} - seen
            seen |= new
            waiting.extend(sorted(new))
        return found
