"""Graphs of other tools, read as definitions, with a report of what has no counterpart. Pure."""

from cairn.graph.imports.formats import read_document
from cairn.graph.imports.report import Imported, Note

__all__ = ["Imported", "Note", "read_document"]
