"""condition: the first outgoing edge whose expression holds is taken; one without an expression is the else."""

from __future__ import annotations

from cairn.graph.nodes.base import NodeData, NodeKind

KIND = NodeKind(type="condition", Data=NodeData)
