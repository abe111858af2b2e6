"""Where the branches of parallels meet, and what it takes to know."""

from __future__ import annotations

from collections import deque
from typing import Any

from graph.definitions import define, edge, node
from hypothesis import given
from hypothesis import strategies as st

from cairn.graph.compiled import Graph, GraphNode, compile_graph
from cairn.graph.meeting import Joins


def compiled(nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> Graph:
    return compile_graph(define(nodes, edges).model_dump(by_alias=True))


def nearest(nodes: dict[str, GraphNode], parallel: GraphNode) -> str | None:
    """What is meant: the first join on the shortest way, with as many joins passed as parallels."""
    waiting = deque((way.target, 0) for way in parallel.ways)
    seen: set[tuple[str, int]] = set()
    while waiting:
        node_id, depth = waiting.popleft()
        if (node_id, depth) in seen or node_id not in nodes or depth > len(nodes):
            continue
        seen.add((node_id, depth))
        kind = nodes[node_id].kind.type
        if (kind, depth) == ("join", 0):
            return node_id
        waiting.extend((way.target, depth + (kind == "parallel") - (kind == "join")) for way in nodes[node_id].ways)
    return None


_kinds = st.lists(st.sampled_from(["parallel", "parallel", "join", "condition"]), min_size=1, max_size=9)
_pairs = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10)), max_size=24)


@given(_kinds, _pairs)
def test_it_is_the_nearest_join_past_the_parallels_inside(kinds: list[str], pairs: list[tuple[int, int]]) -> None:
    nodes = [node("0", "start"), *(node(str(number), kind) for number, kind in enumerate(kinds, 1))]
    graph = compiled(nodes, [edge(f"{source}>{target}") for source, target in pairs if source <= len(kinds)])
    wanted = {each.id: nearest(graph.nodes, each) for each in graph.nodes.values() if each.kind.type == "parallel"}
    for _ in range(2):
        assert {node_id: graph.joins.get(node_id) for node_id in graph.nodes} == {
            node_id: wanted.get(node_id) for node_id in graph.nodes
        }
    assert graph.joins.get("gone") is None


class Counted(dict[str, GraphNode]):
    """Nodes that count how often one is looked up."""

    looks = 0

    def __getitem__(self, key: str) -> GraphNode:
        self.looks += 1
        return super().__getitem__(key)


def test_a_thousand_parallels_without_a_join_are_not_followed() -> None:
    count = 1250
    nodes = [node("p0", "start"), *(node(f"p{at}", "parallel") for at in range(1, count))]
    graph = compiled(nodes, [edge(f"p{at}>p{at + 1}") for at in range(count - 1)])
    counted = Counted(graph.nodes)
    joins = Joins(counted)
    assert [joins.get(node_id) for node_id in graph.nodes] == [None] * count
    assert counted.looks <= count
