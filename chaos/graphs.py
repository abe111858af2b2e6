"""The graphs that are run: each node has an effect, and the output names the effect behind each result."""

from __future__ import annotations

import itertools

from cairn.contracts.json import Json, JsonObject

_PATIENT: JsonObject = {"max_attempts": 1000, "initial_interval": 0.2, "max_interval": 2.0}
"""A worker that dies costs a try; no execution is to fail of that."""


def _node(node_id: str, kind: str, **data: Json) -> JsonObject:
    return {"id": node_id, "type": kind, "position": {"x": 0, "y": 0}, "data": {"name": node_id, **data}}


def _tool(node_id: str, tool: str, **arguments: str) -> JsonObject:
    expressions: JsonObject = {"name": f"'{node_id}'", **arguments}
    return _node(node_id, "tool", tool=tool, arguments=expressions, retry=_PATIENT)


def _spend(node_id: str, seconds: float) -> JsonObject:
    return _tool(node_id, "spend", seconds=str(seconds))


def _edge(source: str, target: str, label: str = "", expression: str | None = None) -> JsonObject:
    data: JsonObject = {"label": label or f"{source}-{target}"}
    if expression is not None:
        data["expression"] = expression
    return {"id": f"{source}-{target}", "source": source, "target": target, "data": data}


def _end(*names: str) -> JsonObject:
    return _node("end", "end", output={name: f"outputs.{name}.key" for name in names})


def _sequence(*nodes: JsonObject) -> JsonObject:
    names = [str(node["id"]) for node in nodes]
    edges = [_edge(a, b) for a, b in itertools.pairwise(["start", *names, "end"])]
    return {"nodes": [_node("start", "start"), *nodes, _end(*names)], "edges": edges}


def _loop() -> JsonObject:
    return {
        "nodes": [_node("start", "start"), _spend("body", 0.2), _end("body")],
        "edges": [
            _edge("start", "body"),
            _edge("body", "body", "again", "execution.visits.body < 4"),
            _edge("body", "end", "enough"),
        ],
    }


def _fork() -> JsonObject:
    branches = [_spend("left", 0.6), _spend("middle", 0.1), _tool("right", "stumble", times="1")]
    names = [str(branch["id"]) for branch in branches]
    return {
        "nodes": [
            _node("start", "start"),
            _spend("a", 0.1),
            _node("fork", "parallel"),
            *branches,
            _node("meet", "join"),
            _spend("z", 0.2),
            _end("a", *names, "z"),
        ],
        "edges": [
            _edge("start", "a"),
            _edge("a", "fork"),
            *(_edge("fork", name, name) for name in names),
            *(_edge(name, "meet") for name in names),
            _edge("meet", "z"),
            _edge("z", "end"),
        ],
    }


GRAPHS: dict[str, JsonObject] = {
    "line": _sequence(_spend("a", 0.1), _tool("b", "stumble", times="1"), _spend("c", 0.5), _spend("d", 0.1)),
    "long": _sequence(_spend("a", 0.1), _spend("b", 6.0), _spend("c", 0.1)),
    "blocked": _sequence(_spend("a", 0.1), _tool("b", "refuse", gate="input.gate"), _spend("c", 0.1)),
    "loop": _loop(),
    "fork": _fork(),
}
"""By name. ``blocked`` fails until the gate that its input names is open."""
