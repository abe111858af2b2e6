"""The graphs that are run: each node has an effect, and the output names the effect behind each result."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from cairn.contracts.json import Json, JsonObject

BRANCHES = ("left", "middle", "right")
"""Ids of the nodes that stand in a branch of a parallel."""

WAITS = ("go", "more")
"""Ids of the nodes that wait for the event ``go``, one after the other."""

_PATIENT: JsonObject = {"max_attempts": 1000, "initial_interval": 0.2, "max_interval": 2.0}
"""A worker that dies costs a try; no execution is to fail of that."""


def _node(node_id: str, kind: str, **data: Json) -> JsonObject:
    return {"id": node_id, "type": kind, "position": {"x": 0, "y": 0}, "data": {"name": node_id, **data}}


def _tool(node_id: str, tool: str, **arguments: str) -> JsonObject:
    expressions: JsonObject = {"name": f"'{node_id}'", **arguments}
    undo: JsonObject = {"tool": "take_back", "arguments": {"key": "result.key"}}
    return _node(node_id, "tool", tool=tool, arguments=expressions, retry=_PATIENT, compensate=undo)


def _spend(node_id: str, seconds: float) -> JsonObject:
    return _tool(node_id, "spend", seconds=str(seconds))


def _agent(node_id: str) -> JsonObject:
    return _node(node_id, "agent", model="openai:chaos", prompt="Will it pass?", retry=_PATIENT)


def _edge(source: str, target: str, label: str = "", expression: str | None = None) -> JsonObject:
    data: JsonObject = {"label": label or f"{source}-{target}"}
    if expression is not None:
        data["expression"] = expression
    return {"id": f"{source}-{target}", "source": source, "target": target, "data": data}


def _end(*names: str) -> JsonObject:
    return _node("end", "end", output={name: f"outputs.{name}.key" for name in names})


def _sequence(*nodes: JsonObject, gives: Sequence[str] | None = None) -> JsonObject:
    names = [str(node["id"]) for node in nodes]
    edges = [_edge(a, b) for a, b in itertools.pairwise(["start", *names, "end"])]
    end = _end(*(names if gives is None else gives))
    return {"nodes": [_node("start", "start"), *nodes, end], "edges": edges}


def _code(node_id: str) -> JsonObject:
    return _node(node_id, "code", code="def run(input, state):\n    return len(input['gate'])")


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


def _race() -> JsonObject:
    """The first of two branches goes on; the other one, and what it waits for, is dropped."""
    return {
        "nodes": [
            _node("start", "start"),
            _node("fork", "parallel"),
            _spend("quick", 0.1),
            _spend("slow", 1.0),
            _node("nap", "wait", seconds=0.5),
            _node("meet", "join", mode="any"),
            _spend("z", 0.1),
            _end("z"),
        ],
        "edges": [
            _edge("start", "fork"),
            _edge("fork", "quick", "quick"),
            _edge("fork", "nap", "nap"),
            _edge("nap", "slow"),
            _edge("quick", "meet"),
            _edge("slow", "meet"),
            _edge("meet", "z"),
            _edge("z", "end"),
        ],
    }


def _each() -> JsonObject:
    body: JsonObject = {
        "nodes": [_node("start", "start"), _spend("one", 0.2), _end("one")],
        "edges": [_edge("start", "one"), _edge("one", "end")],
    }
    each = _node("each", "map", items="[1, 2, 3]", body=body, concurrency=2)
    return _sequence(_spend("a", 0.1), each, _spend("z", 0.1), gives=("a", "z"))


GRAPHS: dict[str, JsonObject] = {
    "line": _sequence(_spend("a", 0.1), _tool("b", "stumble", times="1"), _spend("c", 0.5), _spend("d", 0.1)),
    "long": _sequence(_spend("a", 0.1), _spend("b", 6.0), _spend("c", 0.1)),
    "blocked": _sequence(_spend("a", 0.1), _tool("b", "refuse", gate="input.gate"), _spend("c", 0.1)),
    "loop": _loop(),
    "fork": _fork(),
    "race": _race(),
    "each": _each(),
    "inner": _sequence(_spend("inside", 0.3), _node("nap", "wait", seconds=0.2), gives=("inside",)),
    "outside": _sequence(
        _spend("a", 0.1),
        *(_node(name, "wait", event={"name": "go"}) for name in WAITS),
        _spend("z", 0.1),
        gives=("a", *WAITS, "z"),
    ),
    "thought": _sequence(_spend("a", 0.1), _agent("think"), _spend("z", 0.1), gives=("a", "z")),
    "stretch": {
        **_sequence(
            _spend("a", 0.1),
            *(_code("count"), _agent("think"), _code("again")),
            _spend("z", 0.1),
            gives=("a", "z"),
        ),
        "durability": "segment",
    },
    "people": _sequence(_spend("a", 0.1), _node("ask", "question", prompt="?"), _spend("z", 0.1), gives=("a", "z")),
}
"""By name. ``blocked`` fails until the gate that its input names is open; ``outside`` waits for two events ``go``."""


LATER: dict[str, JsonObject] = {
    "line": _sequence(
        _spend("a", 0.1), _tool("b", "stumble", times="1"), _spend("c", 0.5), _spend("d", 0.1), _spend("e", 0.1)
    ),
}
"""Second versions, for executions to migrate to."""


def calling(inner: str) -> JsonObject:
    """Return a graph that runs another one, given by its id, as a child."""
    below = _node("below", "subgraph", workflow_id=inner, input={"gate": "input.gate"})
    return _sequence(_spend("a", 0.1), below, _spend("z", 0.1), gives=("a", "z"))


def telling(url: str) -> JsonObject:
    """Return a graph that asks people twice; the URL is told of each request, whose prompt is its place."""
    asks = [_node(name, "approval", prompt=str(step), notify=url) for step, name in enumerate(("one", "two"), 1)]
    return _sequence(_spend("a", 0.1), *asks, _spend("z", 0.1), gives=("a", "z"))
