"""What must hold of a graph's edges: where they lead, how many a node has, what is reached."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from cairn.graph.issues import issue, shape_issues
from cairn.graph.model import Definition, Edge, EdgeData, GraphIssue, Node
from cairn.graph.nodes import KINDS, NodeKind
from cairn.graph.nodes.voice import SPEAKING, START_CALL
from cairn.graph.transitions import transition_name
from cairn.graph.validate_joins import validate_joins

_ENTRANCES = frozenset({"start", START_CALL})
_CAN_FAIL = frozenset({"condition", "transform", "join"})
_MAX_FORKS = 8
"""Parallels inside parallels that are told apart."""


def label_of(kind: NodeKind[Any]) -> str:
    """Return what people call a kind."""
    return kind.label or kind.type.capitalize()


def validate_edges(definition: Definition, node_ids: frozenset[str]) -> Iterator[GraphIssue]:
    """Yield what is wrong with the edges of a graph."""
    voice = any(node.type == START_CALL for node in definition.nodes)
    types = {node.id: node.type for node in definition.nodes}
    outgoing: dict[str, list[tuple[Edge, EdgeData]]] = {node_id: [] for node_id in node_ids}
    ways = Counter(edge.source for edge in definition.edges if edge.data.get("on", "success") == "success")
    for edge in definition.edges:
        yield from _ends(edge, node_ids)
        spoilt: frozenset[str] = frozenset()
        try:
            data = EdgeData.model_validate(edge.data)
        except ValidationError as error:
            yield from shape_issues("edge", edge.id, edge.data, error)
            spoilt = frozenset(str(single["loc"][0]) for single in error.errors(include_url=False))
            data = EdgeData.model_validate({key: value for key, value in edge.data.items() if key not in spoilt})
        spoken = voice and not (ways[edge.source] > 1 and _goes_by_expressions(types.get(edge.source)))
        yield from (
            found for found in _texts(edge, data, voice, spoken) if (found.field or "")[len("data.") :] not in spoilt
        )
        yield from _failure_edge(edge, data, types.get(edge.source))
        if edge.source in outgoing:
            outgoing[edge.source].append((edge, data))
    # An edge of a trigger shows where its calls begin; the engine begins at the start alone and does not follow it.
    incoming = Counter(edge.target for edge in definition.edges if not _stands_apart(types.get(edge.source)))
    for node in definition.nodes:
        yield from _degrees(node, incoming[node.id], len(outgoing[node.id]))
        yield from _ways(node, outgoing[node.id], voice)
        yield from _on_timeout(node, [data.label or edge.id for edge, data in outgoing[node.id]])
    targets = {source: [edge.target for edge, _ in of] for source, of in outgoing.items()}
    depths = _walk(types, targets)
    yield from validate_joins(definition.nodes, outgoing, depths)
    yield from _reach(definition.nodes, types, targets, depths, voice)


def _ends(edge: Edge, node_ids: frozenset[str]) -> Iterator[GraphIssue]:
    for field, node_id in (("source", edge.source), ("target", edge.target)):
        if node_id not in node_ids:
            yield issue("edge", edge.id, field, f"Edge {field} does not exist: '{node_id}'")


def _goes_by_expressions(source_type: str | None) -> bool:
    """Tell whether nodes of a kind take one way, and no model says which."""
    kind = KINDS.get(source_type or "")
    return kind is not None and kind.type not in SPEAKING and kind.type != "parallel" and not kind.placement.apart


def _stands_apart(node_type: str | None) -> bool:
    kind = KINDS.get(node_type or "")
    return kind is not None and kind.placement.apart


def _texts(edge: Edge, data: EdgeData, voice: bool, spoken: bool) -> Iterator[GraphIssue]:
    if not data.label.strip() and (voice or "label" in edge.data):
        yield issue("edge", edge.id, "data.label", "Label is required")
    if spoken and data.on == "success" and data.expression is None and not _words(data):
        yield issue("edge", edge.id, "data.condition", "Condition is required")


def _words(data: EdgeData) -> str:
    """Return the condition that only a model could judge."""
    return (data.condition or "").strip() if data.expression is None else ""


def _failure_edge(edge: Edge, data: EdgeData, source_type: str | None) -> Iterator[GraphIssue]:
    kind = KINDS.get(source_type or "")
    if kind is None or data.on == "success":
        return
    if data.on == "timeout" and not kind.works:
        yield issue("edge", edge.id, "data.on", f"{label_of(kind)} cannot time out")
    if data.on == "error" and not kind.works and kind.type not in _CAN_FAIL:
        yield issue("edge", edge.id, "data.on", f"{label_of(kind)} cannot have an error edge")


def _degrees(node: Node, incoming: int, outgoing: int) -> Iterator[GraphIssue]:
    kind = KINDS.get(node.type)
    if kind is None:
        return
    label, placement = label_of(kind), kind.placement
    if placement.max_in == 0 and incoming:
        yield issue("node", node.id, None, f"{label} cannot have incoming edges")
    if incoming < placement.min_in:
        yield issue("node", node.id, None, f"{label} must have at least {placement.min_in} incoming edge(s)")
    if placement.max_out == 0 and outgoing:
        yield issue("node", node.id, None, f"{label} cannot have outgoing edges")


def _ways(node: Node, edges: Sequence[tuple[Edge, EdgeData]], voice: bool) -> Iterator[GraphIssue]:
    if voice and node.type in SPEAKING:
        yield from _tool_names(edges)
    if node.type == "parallel":
        yield from _branches(node, edges, voice)
        return
    kind = KINDS.get(node.type)
    yield from _unheard(node, edges)
    if kind is None or not _goes_by_expressions(node.type):
        return
    if kind.placement.max_out != 0 and not any(data.on == "success" for _, data in edges):
        yield issue("node", node.id, None, "No edge leads on from here; only an End ends an execution", warning=True)
    rest = [edge for edge, data in edges if data.on == "success" and data.expression is None and not _words(data)]
    for edge in rest[1:]:
        if node.type == "condition":
            message = "Condition can have at most one edge without an expression"
            yield issue("edge", edge.id, "data.expression", message)
        else:
            message = "Edge is never taken: an earlier edge of its source has no expression either"
            yield issue("edge", edge.id, "data.expression", message, warning=True)


def _unheard(node: Node, edges: Sequence[tuple[Edge, EdgeData]]) -> Iterator[GraphIssue]:
    """Yield conditions in words that would have to decide between several ways where nobody judges them."""
    ways = Counter(data.on for _, data in edges)
    for edge, data in edges:
        by_model = data.on == "success" and not _goes_by_expressions(node.type)
        if ways[data.on] > 1 and _words(data) and not by_model:
            message = "A condition in words is judged only where a node speaks: write an expression"
            yield issue("edge", edge.id, "data.condition", message)


def _branches(node: Node, edges: Sequence[tuple[Edge, EdgeData]], voice: bool) -> Iterator[GraphIssue]:
    branches = [(edge, data) for edge, data in edges if data.on == "success"]
    if not branches:
        yield issue("node", node.id, None, "Parallel must have at least 1 outgoing edge(s)")
    seen: set[str] = set()
    for edge, data in branches:
        label = data.label or edge.id
        if label in seen:
            message = f"Duplicate branch label: '{label}'; a Join returns results by label"
            yield issue("edge", edge.id, "data.label", message)
        seen.add(label)
        if data.expression is not None:
            message = "Every edge of a Parallel is a branch; it cannot have an expression"
            yield issue("edge", edge.id, "data.expression", message)
        elif _words(data) and not voice:  # voice graphs have to have one on every edge
            message = "Every edge of a Parallel is a branch; its condition decides nothing"
            yield issue("edge", edge.id, "data.condition", message, warning=True)


def _on_timeout(node: Node, labels: Sequence[str]) -> Iterator[GraphIssue]:
    label = node.data.get("on_timeout")
    if isinstance(label, str) and label not in labels:
        yield issue("node", node.id, "data.on_timeout", f"No edge of the node has the label '{label}'")


def _tool_names(edges: Sequence[tuple[Edge, EdgeData]]) -> Iterator[GraphIssue]:
    """Yield edges of one node whose labels give the model the same name to call; some are not the model's to take."""
    seen: set[str] = set()
    for edge, data in edges:
        if data.on != "success" or data.expression is not None or not data.label.strip():
            continue
        name = transition_name(data.label)
        if name in seen:
            yield issue("edge", edge.id, "data.label", f"Duplicate tool name '{name}' from edge label '{data.label}'")
        seen.add(name)


def _reach(
    nodes: Sequence[Node],
    types: Mapping[str, str],
    targets: Mapping[str, Sequence[str]],
    depths: Mapping[str, set[int]],
    voice: bool,
) -> Iterator[GraphIssue]:
    has_entrance = any(node.type in _ENTRANCES for node in nodes)
    parallels_met = _leads_to_join(types, targets)
    for node in nodes:
        kind = KINDS.get(node.type)
        reached = depths.get(node.id, ())
        if node.type == "join" and has_entrance and not any(reached):
            yield issue("node", node.id, None, "Join is reached by no branch of a Parallel")
        elif has_entrance and not reached and not (kind and kind.placement.apart):
            yield issue("node", node.id, None, "Node cannot be reached from the start", warning=True)
        if node.type == "parallel" and targets[node.id] and node.id not in parallels_met:
            yield issue(
                "node", node.id, None, "No Join can be reached from the branches of this Parallel", warning=True
            )
        if kind and voice and node.type in SPEAKING and any(reached):
            yield issue(
                "node", node.id, "type", f"{label_of(kind)} cannot stand inside a Parallel: a call goes one way"
            )
        if kind and not voice and has_entrance and node.type in SPEAKING:
            yield issue("node", node.id, "type", f"{label_of(kind)} runs only after a Start Call", warning=True)


def _walk(types: Mapping[str, str], targets: Mapping[str, Sequence[str]]) -> dict[str, set[int]]:
    """Return for every node that can be reached inside how many parallels it can be."""
    depths: dict[str, set[int]] = {node_id: {0} for node_id, type_ in types.items() if type_ in _ENTRANCES}
    waiting = deque((node_id, 0) for node_id in depths)
    while waiting:
        node_id, depth = waiting.popleft()
        if types[node_id] == "parallel":
            depth = min(depth + 1, _MAX_FORKS)
        elif types[node_id] == "join" and 0 < depth < _MAX_FORKS:
            depth -= 1
        for target in targets[node_id]:
            if target in types and depth not in depths.setdefault(target, set()):
                depths[target].add(depth)
                waiting.append((target, depth))
    return depths


def _leads_to_join(types: Mapping[str, str], targets: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the nodes from which a join can be reached."""
    sources: dict[str, list[str]] = {}
    for source, of in targets.items():
        for target in of:
            sources.setdefault(target, []).append(source)
    waiting = deque(node_id for node_id, type_ in types.items() if type_ == "join")
    found: set[str] = set()
    while waiting:
        for source in sources.get(waiting.popleft(), ()):
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found
