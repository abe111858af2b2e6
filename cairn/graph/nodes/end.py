"""end: ends the branch it stands in, and the execution when no other branch is left."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cairn.contracts.json import JsonObject
from cairn.graph.nodes.base import NodeData, NodeKind, Placement, Scope, Sources, evaluate_all, render, sources_of


class EndData(NodeData):
    """Data of an end node.

    Attributes:
        output: members of ``output_data``; a string is an expression. None: the whole state.
        status: how the execution ends.
        error: text of the failure.
    """

    output: JsonObject | None = Field(default=None)  # pyright: ignore[reportIncompatibleVariableOverride]
    status: Literal["completed", "failed"] = "completed"
    error: str | None = None


class End(NodeKind[EndData]):
    """The kind."""

    def resolve(self, data: EndData, scope: Scope) -> JsonObject:
        """Return ``{output, status, error}``."""
        output = dict(scope["state"]) if data.output is None else evaluate_all(data.output, scope)
        return {"output": output, "status": data.status, "error": render(data.error, scope) if data.error else None}

    def expressions(self, data: EndData) -> Sources:
        """The members of the output."""
        return sources_of("output", data.output or {})

    def texts(self, data: EndData) -> Sources:
        """The failure's text."""
        if data.error:
            yield "error", data.error


KIND = End(type="end", Data=EndData, placement=Placement(max_out=0))
