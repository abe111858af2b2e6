"""What graphs hold of other graphs: inline bodies of maps, and the names of graphs that their nodes run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cairn.contracts.json import JsonObject

_BY_NAME = ("subgraph", "map")


def body_at(definition: JsonObject, path: Sequence[str]) -> JsonObject | None:
    """Return the inline definition that map nodes lead to, None when there is none.

    Args:
        definition: the outermost definition.
        path: ids of map nodes, each in the body of the one before; empty for the definition itself.
    """
    found: JsonObject | None = definition
    for node_id in path:
        found = next((body for id, body in _bodies(found) if id == node_id), None)
        if found is None:
            return None
    return found


def graphs_named(definition: JsonObject) -> set[str]:
    """Return the names (id or uuid) of all graphs that nodes of a valid definition run, inline bodies included."""
    named: set[str] = set()
    left = [definition]
    while left:
        here = left.pop()
        left += [body for _, body in _bodies(here)]
        for node in here["nodes"]:
            data = node["data"]
            runs = (
                [data] if node["type"] in _BY_NAME else data.get("subagents") or [] if node["type"] == "agent" else []
            )
            named |= {str(each["workflow_id"]) for each in runs if each.get("workflow_id") is not None}
    return named


def _bodies(definition: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    for node in definition.get("nodes", []):
        body = node.get("data", {}).get("body") if node["type"] == "map" else None
        if isinstance(body, dict):
            yield node["id"], body
