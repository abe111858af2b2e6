"""The node kinds, one file each. A new kind is one file here, its line in ``KINDS`` and, for I/O, one activity."""

from __future__ import annotations

from typing import Any

from cairn.graph.nodes import (
    agent,
    approval,
    code,
    condition,
    context,
    end,
    http,
    join,
    mcp,
    parallel,
    question,
    retrieve,
    score,
    start,
    subgraph,
    tool,
    transform,
    wait,
)
from cairn.graph.nodes import map as map_
from cairn.graph.nodes.base import NodeData, NodeKind
from cairn.graph.nodes.voice import VOICE_KINDS

KINDS: dict[str, NodeKind[Any]] = {
    kind.type: kind
    for kind in (
        *(module.KIND for module in (start, agent, tool, http, condition, transform, parallel, join, end)),
        *(module.KIND for module in (approval, question, wait, subgraph, map_)),
        *(module.KIND for module in (code, mcp, score, context, retrieve)),
        *VOICE_KINDS,
    )
}

__all__ = ["KINDS", "NodeData", "NodeKind"]
