"""What a graph reads of its input, which is all that an item of a map has to be given of the input around it.

Without this each item of a list would carry the whole list: what a map stores would grow with the square of its items.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import cast

from cairn.contracts.json import Json, JsonObject
from cairn.graph.compiled import Graph, GraphNode, GraphNotExecutable, compile_graph
from cairn.graph.expressions import ITEM_NAMES, UNDO_NAMES, ExpressionError, compile_expression
from cairn.graph.nodes.base import sources_of
from cairn.graph.nodes.code import CodeData, reads_input
from cairn.graph.nodes.map import MapData
from cairn.graph.nodes.voice import VoiceKind
from cairn.graph.scope import Path, narrow, outermost
from cairn.graph.templates import TemplateError, compile_text

ALL: Path = ()
"""The path of the input itself."""


@lru_cache(maxsize=128)
def read_of_input(graph: Graph) -> frozenset[Path]:
    """Return the paths inside the input whose values the graph may read, none the beginning of another.

    The empty one stands for all of it.
    """
    if graph.input_schema is not None:
        return frozenset({ALL})
    try:
        return outermost({path for node in graph.nodes.values() for path in _of_node(graph, node)})
    except (ExpressionError, TemplateError, GraphNotExecutable):
        return frozenset({ALL})


def only(value: Json, paths: frozenset[Path]) -> Json:
    """Return the part of an input that lies at the paths; what is no object has no parts."""
    return narrow(cast(JsonObject, value), paths) if isinstance(value, dict) else value if paths else {}


def _of_node(graph: Graph, node: GraphNode) -> Iterator[Path]:
    if isinstance(node.kind, VoiceKind) or node.kind.type == "join":  # a branch may bring the input to its join
        yield ALL
    if node.id == graph.start and node.data.output is not None:
        yield ALL
    if isinstance(node.data, CodeData) and reads_input(node.data.code):
        yield ALL
    if isinstance(node.data, MapData) and node.data.body is not None:
        yield from read_of_input(compile_graph(node.data.body))
    for path in _named(node):
        if path[0] == "input":
            yield path[1:]
        elif path[0] == "outputs" and path[1:2] in ((), (graph.start,)):  # what the start node has put out
            yield path[2:]


def _named(node: GraphNode) -> Iterator[Path]:
    """Yield the values of the scope that a node and the edges from it name."""
    sources = [source for _, source in node.kind.expressions(node.data)]
    sources += [way.expression for way in node.ways if way.expression is not None]
    if node.data.compensate is not None:
        sources += [source for _, source in sources_of("compensate.arguments", node.data.compensate.arguments)]
    for source in sources:
        yield from compile_expression(source, names=UNDO_NAMES).paths
    for _, text in node.kind.texts(node.data):
        for path in compile_text(text).paths():
            yield path if path[0] in ITEM_NAMES else ("input", *path)  # members of the input are names as well
