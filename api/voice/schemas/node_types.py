"""The kinds of nodes."""

from __future__ import annotations

from pydantic import BaseModel

from cairn.graph.catalog import NodeSpec


class NodeTypes(BaseModel):
    """All kinds of nodes."""

    spec_version: str
    node_types: list[NodeSpec]
