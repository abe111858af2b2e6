"""join: waits for the branches of the innermost parallel; returns their last results by branch label."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cairn.graph.nodes.base import NodeData, NodeKind


class JoinData(NodeData):
    """Data of a join node.

    Attributes:
        mode: how many branches it waits for: all, any (one) or a number; the others are then dropped.
        on_error: a branch that fails fails the node's parallel at once, or its error is collected as its result.
    """

    mode: Literal["all", "any"] | Annotated[int, Field(ge=1, strict=True)] = "all"
    on_error: Literal["fail", "collect"] = "fail"


KIND = NodeKind(type="join", Data=JoinData)
