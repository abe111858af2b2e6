"""Graphs and their versions."""

from cairn.domain.graphs.model import Graph, GraphSummary, GraphVersion
from cairn.domain.graphs.pinned import load_definition, published_version
from cairn.domain.graphs.service import GraphService

__all__ = ["Graph", "GraphService", "GraphSummary", "GraphVersion", "load_definition", "published_version"]
