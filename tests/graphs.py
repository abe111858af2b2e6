"""Small graphs for tests, made with few words."""

from __future__ import annotations

import itertools

from cairn.contracts.json import JsonObject


def node(node_id: str, kind: str, **data) -> JsonObject:
    return {"id": node_id, "type": kind, "position": {"x": 0, "y": 0}, "data": {"name": node_id, **data}}


def edge(source: str, target: str, label: str | None = None, **data) -> JsonObject:
    label = label or f"{source}-{target}"
    return {"id": f"{source}-{target}-{label}", "source": source, "target": target, "data": {"label": label, **data}}


def noting(node_id: str, **data) -> JsonObject:
    """A tool node that writes its id into the ledger."""
    return node(node_id, "tool", tool="note", arguments={"entry": f"'{node_id}'"}, **data)


def waiting(node_id: str, **data) -> JsonObject:
    """A tool node that waits at the gate of its id."""
    return node(node_id, "tool", tool="wait_at", arguments={"gate": f"'{node_id}'"}, **data)


def sequence(*nodes: JsonObject, **more) -> JsonObject:
    """start -> the nodes -> end."""
    every = [node("start", "start"), *nodes]
    if nodes and nodes[-1]["type"] != "end":
        every.append(node("end", "end", output={"done": "true"}))
    edges = [edge(a["id"], b["id"]) for a, b in itertools.pairwise(every)]
    return {"nodes": every, "edges": edges, **more}
