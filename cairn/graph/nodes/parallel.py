"""parallel: every outgoing edge is a branch; the branches run side by side up to a join."""

from __future__ import annotations

from cairn.graph.nodes.base import NodeData, NodeKind

KIND = NodeKind(type="parallel", Data=NodeData)
