"""Secrets that authors write into definitions: encrypted before a definition is kept, shown or run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from cairn.contracts.json import JsonObject
from cairn.graph.nodes.review import QA

_KEY = "qa_api_key"

Seal = Callable[[str], str]
"""Encrypts a text; one that is encrypted already stays as it is."""


def seal_secrets(definition: JsonObject, seal: Seal) -> JsonObject:
    """Return the definition with its secrets encrypted; the argument is not changed.

    Args:
        definition: of the form of :class:`cairn.graph.model.Definition`; inline definitions in it may be anything.
        seal: how.
    """
    nodes: Any = definition.get("nodes")
    if not isinstance(nodes, list):
        return definition
    given = cast("list[Any]", nodes)
    sealed = [_sealed(cast(JsonObject, node), seal) if isinstance(node, dict) else node for node in given]
    return {**definition, "nodes": sealed}


def _sealed(node: JsonObject, seal: Seal) -> JsonObject:
    data = cast(JsonObject, node["data"]) if isinstance(node.get("data"), dict) else {}
    secret, body = data.get(_KEY), data.get("body")
    changed = dict(data)
    if node.get("type") == QA and isinstance(secret, str) and secret:
        changed[_KEY] = seal(secret)
    if isinstance(body, dict):
        changed["body"] = seal_secrets(cast(JsonObject, body), seal)
    return {**node, "data": changed} if changed != data else node
