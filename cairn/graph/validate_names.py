"""What expressions name: nodes, members of the execution, and keys of the state that something writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from cairn.contracts.json import Json, JsonObject
from cairn.graph.expressions import Expression
from cairn.graph.model import Definition, Node
from cairn.graph.nodes.voice import START_CALL

EXECUTION_MEMBERS = frozenset({"id", "workflow_id", "metadata", "visits"})


class Names:
    """What the expressions of one definition may name."""

    def __init__(self, definition: Definition) -> None:
        """Read off a definition which nodes it has and what they write; its data may be of any form."""
        self._node_ids = frozenset(node.id for node in definition.nodes)
        self._keys = {*definition.state, *(key for node in definition.nodes for key in _written(node))}
        self._fetches = any(_fetches(node) for node in definition.nodes)

    def unknown(self, expression: Expression) -> list[str]:
        """Say what of an expression there cannot be."""
        nodes = sorted(_members("outputs", expression) - self._node_ids)
        members = sorted(_members("execution", expression) - EXECUTION_MEMBERS)
        return [
            *(f"no node has the id '{each}'" for each in nodes),
            *(f"execution has no '{each}', only {', '.join(sorted(EXECUTION_MEMBERS))}" for each in members),
        ]

    def unwritten(self, expression: Expression) -> list[str]:
        """Say which keys of the state nobody writes; what is fetched before a call may write any."""
        keys = [] if self._fetches else sorted(_members("state", expression) - self._keys)
        return [f"State key '{each}' is not declared, and no node writes it" for each in keys]


def _members(name: str, expression: Expression) -> set[str]:
    return {path[1] for path in expression.paths if path[0] == name and len(path) > 1}


def _written(node: Node) -> Iterator[str]:
    output, assigned, variables = (node.data.get(name) for name in ("output", "set", "extraction_variables"))
    if isinstance(output, str):
        yield output.strip()
    if node.type == "transform" and isinstance(assigned, dict):
        yield from cast(JsonObject, assigned)
    for each in cast(Iterable[Json], variables) if isinstance(variables, list) else ():
        name = cast(JsonObject, each).get("name") if isinstance(each, dict) else None
        if isinstance(name, str):
            yield name.strip()


def _fetches(node: Node) -> bool:
    older, mode = node.data.get("pre_call_fetch_enabled"), node.data.get("pre_call_fetch_mode", "disabled")
    return node.type == START_CALL and (mode != "disabled" or bool(older))
