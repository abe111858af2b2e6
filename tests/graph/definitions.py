"""Short ways to write definitions."""

from __future__ import annotations

from typing import Any

from cairn.graph.model import Definition, GraphIssue
from cairn.graph.validate import ValidationContext, validate


def node(node_id: str, kind: str, **data: Any) -> dict[str, Any]:
    return {"id": node_id, "type": kind, "position": {"x": 0, "y": 0}, "data": {"name": node_id, **data}}


def edge(ends: str, **data: Any) -> dict[str, Any]:
    """An edge from its ends, as ``a>b``; its id is the same."""
    source, target = ends.split(">")
    return {"id": ends, "source": source, "target": target, "data": data}


def define(nodes: list[dict[str, Any]], edges: list[dict[str, Any]], **more: Any) -> Definition:
    return Definition.model_validate({"nodes": nodes, "edges": edges, **more})


def issues(
    nodes: list[dict[str, Any]], edges: list[dict[str, Any]], context: ValidationContext | None = None, **more: Any
) -> list[GraphIssue]:
    return validate(define(nodes, edges, **more), context)


def told(found: list[GraphIssue], severity: str = "error") -> set[tuple[str, str | None, str | None, str]]:
    return {(i.kind, i.id, i.field, i.message) for i in found if i.severity == severity}
