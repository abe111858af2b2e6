"""A definition made ready to run: node data parsed, edges sorted by source."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from pydantic import ValidationError

from cairn.contracts.json import Json, JsonObject
from cairn.errors import plain_message
from cairn.graph.meeting import Joins
from cairn.graph.model import Definition, Edge, EdgeData, Limits, StateKey
from cairn.graph.nodes import KINDS, NodeData, NodeKind
from cairn.graph.nodes.voice import START_CALL

_KEPT = 128
"""Graphs that a process keeps ready."""


class GraphNotExecutable(ValueError):
    """The definition cannot be run; the message says why."""


@dataclass(frozen=True, slots=True)
class Way:
    """An edge as the step function sees it.

    Attributes:
        condition: text that a model judges (voice graphs).
        speech: text that is said on the way; ``recording`` is played.
    """

    id: str
    target: str
    label: str
    expression: str | None
    on: Literal["success", "error", "timeout"]
    condition: str | None = None
    speech: str | None = None
    recording: str | None = None


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node as the step function sees it.

    Attributes:
        checkpoint: name of the checkpoint that its completion makes, None for none.
        timeout: seconds of an attempt of its work.
        ways: outgoing edges in the author's order.
    """

    id: str
    name: str
    kind: NodeKind[Any]
    data: NodeData
    checkpoint: str | None
    timeout: float | None
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A graph ready to run. It is equal to itself alone, so that what follows from it is kept by it.

    Attributes:
        joins: the join at which the branches of each parallel meet.
        segmented: nodes whose work may be done again are run several at a time (``durability: segment``).
    """

    nodes: dict[str, GraphNode]
    start: str
    state: dict[str, StateKey]
    limits: Limits
    joins: Joins
    input_schema: JsonObject | None = None
    output_schema: JsonObject | None = None
    initial_state: JsonObject = field(default_factory=dict[str, Json])
    segmented: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """A definition, which is the same as another one when its digest is."""

    digest: str
    definition: JsonObject = field(compare=False)


def compiled(definition: JsonObject, digest: str) -> Graph:
    """Return the runnable form of a valid definition whose digest was verified; executions in a process share it.

    Raises:
        GraphNotExecutable: as of ``compile_graph``.
    """
    return _compiled(_Known(digest, definition))


@lru_cache(maxsize=_KEPT)
def _compiled(known: _Known) -> Graph:
    return compile_graph(known.definition)


def compile_graph(definition: JsonObject) -> Graph:
    """Return the runnable form of a valid definition.

    Raises:
        GraphNotExecutable: a node is of a kind that cannot run, or the definition was never valid.
    """
    try:
        model = Definition.model_validate(definition)
        ways = _ways(model.edges)
        segmented = model.durability == "segment"
        nodes = {n.id: _node(n.id, n.type, n.data, ways.get(n.id, ()), segmented) for n in model.nodes}
    except ValidationError as error:
        raise GraphNotExecutable(f"the definition is not valid: {plain_message(error.errors()[0])}") from error
    starts = [node.id for node in nodes.values() if node.kind.type in ("start", START_CALL)]
    if len(starts) != 1:
        raise GraphNotExecutable("the definition has no start node, or several")
    return Graph(
        nodes=nodes,
        start=starts[0],
        state=model.state,
        limits=model.limits,
        segmented=segmented,
        input_schema=input_schema_of(definition),
        output_schema=model.output_schema,
        initial_state={key: declared.default for key, declared in model.state.items() if declared.default is not None},
        joins=Joins(nodes),
    )


def input_schema_of(definition: JsonObject) -> JsonObject | None:
    """Return what the input of a valid definition has to fulfil: the graph's own schema and its start node's."""
    declared = [definition.get("input_schema")]
    declared += [n["data"].get("input_schema") for n in definition["nodes"] if n["type"] == "start"]
    schemas = [schema for schema in declared if schema is not None]
    return {"allOf": schemas} if len(schemas) > 1 else next(iter(schemas), None)


def _ways(edges: list[Edge]) -> dict[str, tuple[Way, ...]]:
    ways: dict[str, list[Way]] = {}
    for edge in edges:
        data = EdgeData.model_validate(edge.data)
        played = data.transition_speech_type == "audio"
        ways.setdefault(edge.source, []).append(
            Way(
                id=edge.id,
                target=edge.target,
                label=data.label or edge.id,
                expression=data.expression,
                on=data.on,
                condition=data.condition,
                speech=None if played else data.transition_speech,
                recording=data.transition_speech_recording_id if played else None,
            )
        )
    return {source: tuple(of) for source, of in ways.items()}


def _node(node_id: str, node_type: str, data: JsonObject, ways: tuple[Way, ...], segmented: bool) -> GraphNode:
    kind = KINDS.get(node_type)
    if kind is None:
        raise GraphNotExecutable(f"node {node_id!r} is of kind {node_type!r}, which this version of Cairn cannot run")
    try:
        parsed = kind.Data.model_validate(data)
    except ValidationError as error:  # it was stored when what is wrong was a member of its author's own
        wrong = error.errors()[0]
        path = ".".join(map(str, ("data", *wrong["loc"])))
        raise GraphNotExecutable(f"node {node_id!r} is not valid: {path}: {plain_message(wrong)}") from error
    checkpoint = parsed.checkpoint
    if checkpoint is None and kind.checkpointed and not (segmented and kind.without_effect(parsed)):
        checkpoint = parsed.name
    return GraphNode(
        id=node_id,
        name=parsed.name,
        kind=kind,
        data=parsed,
        checkpoint=checkpoint or None,
        timeout=parsed.timeout if parsed.timeout is not None else kind.timeout,
        ways=ways,
    )
