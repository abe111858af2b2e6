"""How validation grows with the graph: ``make bench WHAT=validation``. Prints a table, and a line of JSON at the end.

Graphs of 500 and of 5,000 nodes, of calls and of the engine's own kinds, sound ones and ones with errors everywhere.
Each is read and validated as the API does it, in turns. Time is that of the processor, and the least of all rounds
counts, for what else the machine does only adds. Ends with status 1 when ten times the nodes took more than twelve
times the time.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from cairn.contracts.json import JsonObject
from cairn.domain.graphs.document import Document
from cairn.graph.expressions import compile_expression
from cairn.graph.model import Definition
from cairn.graph.validate import is_valid, validate

SMALL, LARGE, MOST = 500, 5_000, 12.0


def calls(count: int, prompt: str = "Ask {{caller.name | them}} what they need.") -> JsonObject:
    """Return a voice graph: each agent hands over to the next, and back to one before."""
    agents = [_node(f"a{i}", "agentNode", prompt=prompt) for i in range(count - 2)]
    nodes = [_node("s", "startCall", prompt="Greet."), *agents, _node("z", "endCall", prompt="Say goodbye.")]
    ids = [node["id"] for node in nodes]
    on = [_edge(f"on{i}", *pair, condition="The caller agrees.") for i, pair in enumerate(itertools.pairwise(ids))]
    back = [_edge(f"back{i}", ids[i], ids[i // 2], condition="They ask again.") for i in range(2, count - 1)]
    return {"nodes": nodes, "edges": [*on, *back]}


def steps(count: int, expression: str = "state.x + {}") -> JsonObject:
    """Return a graph of transforms with expressions on nodes and edges."""
    middle = [_node(f"t{i}", "transform", set={"x": expression.format(i)}) for i in range(count - 2)]
    nodes = [_node("s", "start"), *middle, _node("z", "end")]
    pairs = itertools.pairwise(node["id"] for node in nodes)
    edges = [_edge(f"e{i}", *pair, expression=f"state.x < {i}") for i, pair in enumerate(pairs)]
    return {"nodes": nodes, "edges": edges, "state": {"x": {"default": 0}}}


GRAPHS: dict[str, Callable[[int], JsonObject]] = {
    "calls": calls,
    "calls, an error in each agent": lambda count: calls(count, prompt=" "),
    "steps with expressions": steps,
    "steps, an error in each expression": lambda count: steps(count, expression="state.x + nowhere + {}"),
}


def _node(node_id: str, kind: str, **data: object) -> JsonObject:
    return {"id": node_id, "type": kind, "position": {"x": 0, "y": 0}, "data": {"name": node_id, **data}}


def _edge(edge_id: str, source: str, target: str, **data: object) -> JsonObject:
    return {"id": edge_id, "source": source, "target": target, "data": {"label": edge_id, **data}}


def seconds(definition: JsonObject) -> float:
    """Return what reading and validating a definition takes, with no expression compiled beforehand."""
    compile_expression.cache_clear()
    began = time.process_time()
    document = Document.read(definition)
    assert document.model is not None
    validate(document.model)
    return time.process_time() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    gc.collect()
    gc.freeze()  # what the process holds anyway is not walked again and again for the larger graph alone
    table = Table("graph", f"{SMALL} nodes", f"{LARGE:,} nodes", "ratio")
    told: dict[str, dict[str, float]] = {}
    for name, make in GRAPHS.items():
        small, large = make(SMALL), make(LARGE)
        if is_valid(validate(Definition.model_validate(large))) == ("error" in name):
            raise SystemExit(f"{name}: the graph is not what it is meant to be")
        times = [(seconds(small), seconds(large)) for _ in range(rounds)]
        least, most = (min(column) for column in zip(*times, strict=True))
        told[name] = {"small": round(least, 4), "large": round(most, 4), "ratio": round(most / least, 2)}
        table.add_row(name, f"{least * 1_000:.1f} ms", f"{most * 1_000:.0f} ms", f"{most / least:.1f}")
    Console(width=100).print(table)
    print(json.dumps({"validation": told}))
    if any(row["ratio"] > MOST for row in told.values()):
        sys.exit(f"ten times the nodes took more than {MOST:g} times the time")


if __name__ == "__main__":
    main()
