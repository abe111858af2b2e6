"""subgraph: another published graph runs as a child execution; returns the child's output."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from cairn.contracts.json import JsonObject
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Scope, Sources, child_problems, evaluate_all, sources_of


class SubgraphData(NodeData):
    """Data of a subgraph node.

    Attributes:
        workflow_id: id or uuid of the graph; its version is the one that was published when the root execution began.
        input: by key; a string is an expression.
    """

    workflow_id: Name | int
    input: JsonObject = Field(default_factory=dict)


class Subgraph(NodeKind[SubgraphData]):
    """The kind."""

    def resolve(self, data: SubgraphData, scope: Scope) -> JsonObject:
        """Evaluate the input."""
        return {"workflow_id": str(data.workflow_id), "input": evaluate_all(data.input, scope)}

    def expressions(self, data: SubgraphData) -> Sources:
        """The input."""
        return sources_of("input", data.input)

    def problems(self, data: SubgraphData) -> Iterable[tuple[str, str]]:
        """What it cannot keep to."""
        return child_problems(data)


KIND = Subgraph(type="subgraph", Data=SubgraphData, child="execution", checkpointed=True)
