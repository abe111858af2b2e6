"""n8n: a workflow as n8n exports it, ``{name, nodes, connections}``. Connections name nodes by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from cairn.contracts.json import JsonObject
from cairn.graph.imports.drafting import Draft, as_object, as_objects
from cairn.graph.imports.n8n_expressions import Expressions, NotMapped
from cairn.graph.imports.n8n_nodes import Made, is_trigger, make, short_type, trigger_note
from cairn.graph.imports.report import Imported

_START = "start"
_NOTES = "stickyNote"


def read_n8n(document: JsonObject, nodes: Sequence[JsonObject]) -> Imported:
    """Return the workflow; what has no counterpart is a tool that no worker has, so that the way stays visible.

    Raises:
        ValueError: nodes have no names, or two have the same.
    """
    return _Reader(document, nodes).read()


class _Connection(NamedTuple):
    source: str
    plug: str
    output: int
    target: str


class _Reader:
    def __init__(self, document: JsonObject, nodes: Sequence[JsonObject]) -> None:
        self.name: Any = document.get("name")
        self.nodes = {str(node["name"]): node for node in nodes if isinstance(node.get("name"), str)}
        if len(self.nodes) != len(nodes):
            raise ValueError("every node of an n8n workflow has a name of its own")
        self.connections = list(_connections(document["connections"]))
        known = [each for each in self.connections if each.source in self.nodes and each.target in self.nodes]
        self.draft = Draft()
        if len(known) < len(self.connections):
            self.draft.note(None, "partly", "Connections that name no node are left out.")
        self.main = [each for each in known if each.plug == "main"]
        self.plugs = [each for each in known if each.plug != "main"]
        self.ids: dict[str, str] = {}
        self.made: dict[str, Made] = {}

    def read(self) -> Imported:
        plugged_in = {each.source for each in self.plugs}
        self.draft.node(_START, "start", {"name": "Start"})
        for name, node in self.nodes.items():
            self.ids[name] = _START if is_trigger(node) else self._id(name)
        for name, node in self.nodes.items():
            if is_trigger(node):
                self._trigger(name, node)
            elif short_type(node) != _NOTES and name not in plugged_in:
                self._node(name, node)
        for each in self.main:
            self._edge(each)
        for name, node in self.nodes.items():
            self._errors(name, node)
        self.draft.fork()
        self.draft.end()
        noted = {note.node for note in self.draft.notes}
        counted = [name for name, node in self.nodes.items() if short_type(node) != _NOTES]
        return Imported(
            "n8n",
            self.name if isinstance(self.name, str) and self.name.strip() else None,
            self.draft.definition(),
            mapped=sum(name not in noted for name in counted),
            notes=tuple(self.draft.notes),
        )

    def _id(self, name: str) -> str:
        base = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_") or "node"
        found, number, taken = base, 2, {*self.ids.values(), _START}
        while found in taken:
            found, number = f"{base}_{number}", number + 1
        return found

    def _trigger(self, name: str, node: JsonObject) -> None:
        if said := trigger_note(node):
            self.draft.note(name, "partly", said)

    def _node(self, name: str, node: JsonObject) -> None:
        node_id, data = self.ids[name], {"name": name}
        made = self._counterpart(name, node)
        self.made[name] = made
        for said in made.partly:
            self.draft.note(name, "partly", said)
        self.draft.node(node_id, made.kind, data | made.data | _retry(node, made.kind), _position(node))

    def _counterpart(self, name: str, node: JsonObject) -> Made:
        if node.get("disabled"):
            return Made("transform", {"set": {}}, partly=("It is switched off there: here it does nothing.",))
        attached: dict[str, list[JsonObject]] = {}
        for each in self.plugs:
            if each.target == name:
                attached.setdefault(each.plug, []).append(self.nodes[each.source])
        try:
            made = make(node, Expressions(lambda of: self._given(name, of)), attached)
        except (NotMapped, AttributeError, TypeError, KeyError) as error:
            why = str(error) if isinstance(error, NotMapped) else "its parameters are not of the form that is known"
            return self._missing(name, node, f"It has no counterpart as it is: {why}.")
        if made is None:
            return self._missing(
                name, node, f"Nodes of type {node.get('type')} have no counterpart: write a tool for it."
            )
        return made

    def _missing(self, name: str, node: JsonObject, message: str) -> Made:
        self.draft.note(name, "missing", message)
        kept: JsonObject = {"type": node.get("type"), "parameters": node.get("parameters") or {}}
        return Made("tool", {"tool": f"n8n.{short_type(node)}", "n8n": kept})

    def _given(self, name: str, of: str | None, seen: frozenset[str] = frozenset()) -> str:
        """Return the CEL path of what a node has given: of the one before, or of one that is named."""
        before = of if of is not None else next((each.source for each in self.main if each.target == name), None)
        if before is None or before not in self.nodes or before in seen:
            raise NotMapped(f"it reads what {of or 'no node'} gives")
        node, node_id = self.nodes[before], self.ids[before]
        if is_trigger(node):
            return "input"
        if short_type(node) in ("if", "switch", "filter", "noOp", "merge", "wait"):  # they hand on what they are given
            return self._given(before, None, seen | {before})
        return f"outputs.{node_id}" + (".body" if short_type(node) == "httpRequest" else "")

    def _edge(self, each: _Connection) -> None:
        if each.source not in self.made and not is_trigger(self.nodes[each.source]):
            return
        if each.target not in self.made:
            return
        source, target = self.ids[each.source], self.ids[each.target]
        ways = self.made[each.source].ways if each.source in self.made else ()
        if each.output < len(ways):
            expression = ways[each.output]
            label = _way_label(self.nodes[each.source], each.output)
            self.draft.edge(source, target, label, **({"expression": expression} if expression else {}))
        elif each.output and self.nodes[each.source].get("onError") == "continueErrorOutput":
            self.draft.edge(source, target, "error", on="error")
        elif not each.output or not ways:
            self.draft.edge(source, target)

    def _errors(self, name: str, node: JsonObject) -> None:
        if name not in self.made:
            return
        node_id = self.ids[name]
        if node.get("onError") == "continueRegularOutput" or node.get("continueOnFail"):
            for edge in [edge for edge in self.draft.edges if edge["source"] == node_id]:
                self.draft.edge(node_id, edge["target"], "failed", on="error")
        ways, led = self.made[name].ways, [edge for edge in self.draft.edges if edge["source"] == node_id]
        if ways and not any(not (edge.get("data") or {}).get("expression") for edge in led):
            # Without an else the execution would fail where n8n's just ends.
            self.draft.edge(node_id, self.draft.an_end(), "else")


def _connections(connections: JsonObject) -> Iterator[_Connection]:
    for source, plugs in connections.items():
        for plug, outputs in as_object(plugs).items():
            for output, targets in enumerate(cast("list[Any]", outputs) if isinstance(outputs, list) else []):
                for target in as_objects(targets):
                    yield _Connection(source, plug, output, str(target.get("node")))


def _way_label(node: JsonObject, output: int) -> str:
    kind = short_type(node)
    if kind in ("if", "filter"):
        return ("true", "false")[output]
    rules = as_objects(as_object(as_object(node.get("parameters")).get("rules")).get("values"))
    named = rules[output].get("outputKey") if output < len(rules) else None
    return str(named or f"output {output}")


def _retry(node: JsonObject, kind: str) -> JsonObject:
    if not node.get("retryOnFail") or kind in ("condition", "transform"):
        return {"retry": {"max_attempts": 1}} if kind in ("http", "tool", "agent") else {}
    attempts, wait = _number(node.get("maxTries"), 3), _number(node.get("waitBetweenTries"), 1000)
    return {"retry": {"max_attempts": int(attempts), "initial_interval": max(wait, 1.0) / 1000, "backoff": 1}}


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise


def _position(node: JsonObject) -> JsonObject | None:
    at: Any = node.get("position")
    return {"x": at[0], "y": at[1]} if isinstance(at, list) and len(at) == 2 else None  # pyright: ignore
