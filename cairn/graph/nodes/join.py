"""join: waits for the branches of the innermost parallel; returns their last results by branch label."""

from __future__ import annotations

from typing import Literal

from cairn.graph.nodes.base import NodeData, NodeKind


class JoinData(NodeData):
    """Data of a join node.

    Attributes:
        mode: which branches it waits for.
        on_error: a branch that fails fails the execution.
    """

    mode: Literal["all"] = "all"
    on_error: Literal["fail"] = "fail"


KIND = NodeKind(type="join", Data=JoinData)
