"""Which tool a document comes from."""

from __future__ import annotations

from typing import Any, cast

from cairn.contracts.json import JsonObject
from cairn.graph.imports.langgraph import read_langgraph
from cairn.graph.imports.n8n import read_n8n
from cairn.graph.imports.report import Imported


def read_document(document: JsonObject) -> Imported:
    """Return the graph of a document.

    Args:
        document: what ``cairn graph export`` writes, a definition, LangGraph's ``graph.get_graph().to_json()``, or an
            n8n workflow as n8n exports it.

    Raises:
        ValueError: it is none of these; the message says so.
    """
    if isinstance(document.get("definition"), dict):
        configuration: Any = document.get("configuration") or {}
        name: Any = document.get("name")
        if not isinstance(configuration, dict) or not isinstance(name, str | None):
            raise ValueError("the export's name is a text and its configuration an object")
        return _own(document["definition"], name, cast("JsonObject", configuration))
    if isinstance(document.get("workflow"), dict) and "nodes" not in document:  # as n8n's library of templates has it
        inner = cast("JsonObject", document["workflow"])
        return read_document({"name": document.get("name"), **inner})
    parts = _nodes(document)
    if isinstance(document.get("connections"), dict):
        return read_n8n(document, parts)
    edges = document.get("edges")
    if not isinstance(edges, list) or not all(isinstance(edge, dict) for edge in cast("list[Any]", edges)):
        raise ValueError("a graph has edges, or (n8n) connections")
    if any(_is_langgraph(node) for node in parts):
        return read_langgraph(parts, cast("list[JsonObject]", edges))
    return _own(document, None, {})


def _own(definition: JsonObject, name: str | None, configuration: JsonObject) -> Imported:
    return Imported("cairn", name, definition, configuration, mapped=len(_nodes({"nodes": [], **definition})))


def _nodes(document: JsonObject) -> list[JsonObject]:
    nodes = document.get("nodes")
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in cast("list[Any]", nodes)):
        raise ValueError("a graph has a list of nodes")
    return cast("list[JsonObject]", nodes)


def _is_langgraph(node: JsonObject) -> bool:
    data: Any = node.get("data")
    runnable = isinstance(data, dict) and isinstance(cast("JsonObject", data).get("id"), list)
    return node.get("id") in ("__start__", "__end__") or (node.get("type") == "runnable" and runnable)
