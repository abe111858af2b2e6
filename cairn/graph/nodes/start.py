"""start: where an execution begins; returns the input."""

from __future__ import annotations

from cairn.contracts.json import JsonObject
from cairn.graph.nodes.base import NodeData, NodeKind, Placement


class StartData(NodeData):
    """Data of a start node.

    Attributes:
        input_schema: JSON Schema of the input, beside the graph's own.
    """

    input_schema: JsonObject | None = None


KIND = NodeKind(type="start", Data=StartData, placement=Placement(max_in=0, at_most=1))
