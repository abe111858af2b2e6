"""n8n: a workflow as n8n exports it, ``{name, nodes, connections}``. Connections name nodes by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from cairn.contracts.json import JsonObject
from cairn.graph.imports.drafting import Draft, as_object, as_objects
from cairn.graph.imports.n8n_expressions import RESERVED, Expressions, NotMapped, literal
from cairn.graph.imports.n8n_nodes import Made, check, is_trigger, make, short_type, trigger_note
from cairn.graph.imports.report import Imported

_START = "start"
_NOTES = "stickyNote"
_WHICH = "which_trigger"


def read_n8n(document: JsonObject, nodes: Sequence[JsonObject]) -> Imported:
    """Return the workflow; what has no counterpart is a tool that no worker has, so that the way stays visible.

    Raises:
        ValueError: a node has neither name nor id.
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
        self.draft = Draft()
        self.nodes = self._named(nodes)
        by_id = {str(node.get("id")): name for name, node in self.nodes.items()}
        named = ({**by_id, **{name: name for name in self.nodes}}).get
        told = list(_connections(document["connections"]))
        found = [each._replace(source=named(each.source) or "", target=named(each.target) or "") for each in told]
        known = [each for each in found if each.source and each.target]
        if len(known) < len(told):
            self.draft.note(None, "partly", "Connections that name no node are left out.")
        self.main = [each for each in known if each.plug == "main"]
        self.plugs = [each for each in known if each.plug != "main"]
        self.ids: dict[str, str] = {}
        self.made: dict[str, Made] = {}
        self.begun: dict[str, JsonObject] = {}
        """Data of the edges of triggers, where there are several that lead to different places."""

    def _named(self, nodes: Sequence[JsonObject]) -> dict[str, JsonObject]:
        """Return the nodes by names that tell them apart, as n8n's own do."""
        named: dict[str, JsonObject] = {}
        for node in nodes:
            wanted = node.get("name") or node.get("id")
            if not isinstance(wanted, str):
                raise ValueError("every node of an n8n workflow has a name")
            name, number = wanted, 2
            while name in named:
                name, number = f"{wanted} ({number})", number + 1
            named[name] = node
            if name != wanted:
                message = f"There are several {wanted!r}: connections that name it are those of the first."
                self.draft.note(name, "partly", message)
        return named

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
        self._tell_triggers_apart()
        for each in self.main:
            self._edge(each)
        self.draft.fork()
        for name, node in self.nodes.items():
            self._errors(name, node)
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
        if base[0].isdigit() or base in RESERVED:
            base = f"node_{base}"
        found, number, taken = base, 2, {*self.ids.values(), _START, _WHICH}
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
            if made is not None:
                check(made)
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
        if self._outputs(name) > 1:
            self.draft.note(name, "missing", "Let the tool return as `output` by which of its outputs it goes on.")
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
        if each.source in self.begun:
            self.draft.edge(_WHICH, target, **self.begun[each.source])
        elif each.output < len(ways):
            expression = ways[each.output]
            label = _way_label(self.nodes[each.source], each.output)
            self.draft.edge(source, target, label, **({"expression": expression} if expression else {}))
        elif each.output and self.nodes[each.source].get("onError") == "continueErrorOutput":
            self.draft.edge(source, target, "error", on="error")
        elif self._outputs(each.source) > 1 and _is_missing(self.made.get(each.source)):
            expression = f"outputs.{source}.output == {each.output}"
            self.draft.edge(source, target, f"output {each.output}", expression=expression)
        elif not each.output or is_trigger(self.nodes[each.source]):
            self.draft.edge(source, target)
        else:
            self.draft.note(each.source, "partly", f"What follows its output {each.output} is left out.")

    def _outputs(self, name: str) -> int:
        """Return how many of a node's outputs lead on, the one for errors not counted."""
        used = {each.output for each in self.main if each.source == name}
        fails = self.nodes[name].get("onError") == "continueErrorOutput" and len(used) > 1
        return len(used) - fails

    def _tell_triggers_apart(self) -> None:
        """Let the input say which of several triggers it is, where they lead to different places."""
        places: dict[frozenset[str], list[str]] = {}
        for name, node in self.nodes.items():
            led = frozenset(each.target for each in self.main if each.source == name and each.target in self.made)
            if is_trigger(node) and led:
                places.setdefault(led, []).append(name)
        if len(places) < 2:
            return
        self.draft.node(_WHICH, "condition", {"name": "Which trigger"})
        self.draft.edge(_START, _WHICH)
        for number, names in enumerate(places.values()):
            label = " / ".join(names)
            expression = f"has(input.trigger) && input.trigger in {literal(names)}"
            for name in names:
                self.begun[name] = {"label": label} | ({"expression": expression} if number else {})
                told = f'Say "trigger": "{name}" in the input to begin here' + ("." if number else ", or nothing.")
                self.draft.note(name, "partly", told)

    def _errors(self, name: str, node: JsonObject) -> None:
        if name not in self.made:
            return
        node_id = self.ids[name]
        if node.get("onError") == "continueRegularOutput" or node.get("continueOnFail"):
            on = [edge for edge in self.draft.edges if edge["source"] == node_id]
            for edge in [edge for edge in on if (edge.get("data") or {}).get("on") != "error"][:1]:
                self.draft.edge(node_id, edge["target"], "failed", on="error")
        ways, led = self.made[name].ways, [edge for edge in self.draft.edges if edge["source"] == node_id]
        if ways and not any(not (edge.get("data") or {}).get("expression") for edge in led):
            # Without an else the execution would fail where n8n's just ends.
            self.draft.edge(node_id, self.draft.an_end(), "else")


def _is_missing(made: Made | None) -> bool:
    return made is not None and made.kind == "tool"


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
