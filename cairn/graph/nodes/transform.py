"""transform: sets keys of the state to the values of expressions."""

from __future__ import annotations

from cairn.contracts.json import JsonObject
from cairn.graph.nodes.base import NodeData, NodeKind, Scope, Sources, evaluate_all, sources_of


class TransformData(NodeData):
    """Data of a transform node.

    Attributes:
        set: by state key; a string is an expression, any other value stands for itself.
    """

    set: JsonObject


class Transform(NodeKind[TransformData]):
    """The kind."""

    def resolve(self, data: TransformData, scope: Scope) -> JsonObject:
        """Evaluate the values; all see the state as it was before."""
        return evaluate_all(data.set, scope)

    def expressions(self, data: TransformData) -> Sources:
        """The values."""
        return sources_of("set", data.set)


KIND = Transform(type="transform", Data=TransformData)
