"""Graphs and their versions."""

from cairn.domain.graphs.model import Graph, GraphSummary, GraphVersion
from cairn.domain.graphs.pinned import load_definition, published_version

__all__ = ["Graph", "GraphSummary", "GraphVersion", "load_definition", "published_version"]
