"""LangGraph: what ``graph.get_graph().to_json()`` tells: nodes and edges, and not the functions behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from cairn.contracts.json import JsonObject
from cairn.graph.imports.drafting import Draft
from cairn.graph.imports.report import Imported

_START, _END = "__start__", "__end__"
_NEXT = "next"


def read_langgraph(nodes: Sequence[JsonObject], edges: Sequence[JsonObject]) -> Imported:
    """Return the graph; a function becomes an agent whose prompt is to be written.

    Raises:
        ValueError: a node has no id, or an edge names none.
    """
    return _Reader(nodes, edges).read()


class _Reader:
    def __init__(self, nodes: Sequence[JsonObject], edges: Sequence[JsonObject]) -> None:
        self.nodes = {_name(node.get("id")): node for node in nodes}
        self.edges = [(_name(edge.get("source")), _name(edge.get("target")), edge) for edge in edges]
        for source, target, _ in self.edges:
            if source not in self.nodes or target not in self.nodes:
                raise ValueError(f"an edge leads from {source!r} to {target!r}, and one of them is no node")
        self.draft = Draft()
        self.inside: set[str] = set()
        """Nodes of tools that are the agents' own here."""
        self.deciders: dict[str, str] = {}

    def read(self) -> Imported:
        tools = {name: node for name, node in self.nodes.items() if _class(node) == "ToolNode"}
        callers = {name: self._callers(name) for name in tools}
        inside = self.inside = {name for name, agents in callers.items() if agents}
        for name, node in self.nodes.items():
            if name not in inside:
                self._node(name, node)
        for name in inside:
            self._give_tools(name, callers[name])
        for source, target, edge in self.edges:
            if source not in inside and target not in inside:
                self._edge(source, target, edge)
        self._pause()
        self.draft.fork()
        if not any(node["type"] == "start" for node in self.draft.nodes.values()):
            self.draft.note(None, "partly", "It has no start.")
        self.draft.end()
        noted = {note.node for note in self.draft.notes}
        return Imported(
            "langgraph",
            None,
            self.draft.definition(),
            mapped=sum(name not in noted for name in self.nodes),
            notes=tuple(self.draft.notes),
        )

    def _node(self, name: str, node: JsonObject) -> None:
        label = _label(name, node)
        if self._is_start(name, node):
            self.draft.node(name, "start", {"name": "Start"})
        elif self._is_end(name, node):
            self.draft.node(name, "end", {"name": "End"})
        elif _class(node) == "CompiledStateGraph":
            self.draft.node(name, "subgraph", {"name": label, "workflow_id": label})
            self.draft.note(name, "partly", "A graph of its own: import that too, and write its id as workflow_id.")
        else:
            self._function(name, node, label)
        self._decide(name, label)

    def _function(self, name: str, node: JsonObject, label: str) -> None:
        data: JsonObject = {"name": label, "prompt": f"Do the work of the step {label}. {{{{ input | json }}}}"}
        if name.endswith((f":{_START}", f":{_END}")):  # of a graph inside, when it was drawn as well
            self.draft.node(name, "transform", {"name": label, "set": {}})
            return
        self.draft.node(name, "agent", data)
        self.draft.note(name, "partly", f"What it does ({_class(node) or 'a function'}) is not told: write its prompt.")

    def _decide(self, name: str, label: str) -> None:
        """Let an agent say which way is gone where a function does: the node itself, or one behind it."""
        found = [(target, edge) for source, target, edge in self.edges if source == name and edge.get("conditional")]
        ways = list(dict.fromkeys(self._way(target, edge) for target, edge in found if target not in self.inside))
        if len(ways) < 2:
            return
        decider, prompt = name, f"Say what comes after {label}. {{{{ input | json }}}}"
        if self.draft.nodes[name]["type"] == "agent":
            prompt = f"{self.draft.nodes[name]['data']['prompt']} Then say what comes next."
        else:
            decider = self.draft.free_id(f"{name}_next")
            self.draft.node(decider, "agent", {"name": f"After {label}"})
            self.draft.edge(name, decider)
        form = {"type": "object", "required": [_NEXT], "properties": {_NEXT: {"type": "string", "enum": ways}}}
        self.draft.nodes[decider]["data"] |= {"prompt": prompt, "output_schema": form}
        self.deciders[name] = decider
        self.draft.note(name, "partly", "Which way it goes is decided by a function: an agent decides instead.")

    def _way(self, target: str, edge: JsonObject) -> str:
        told = edge.get("data")
        return told if isinstance(told, str) and told else _label(target, self.nodes[target])

    def _callers(self, tools: str) -> list[str]:
        """Return the agents that call a node of tools: it leads back to them."""
        after = {target for source, target, _ in self.edges if source == tools}
        calling = [source for source, target, _ in self.edges if target == tools and source in after]
        return [source for source in calling if _class(self.nodes[source]) != "ToolNode"]

    def _give_tools(self, name: str, agents: Sequence[str]) -> None:
        metadata: Any = self.nodes[name].get("metadata") or {}
        found: Any = cast("JsonObject", metadata).get("__tools") if isinstance(metadata, dict) else None
        names = [str(tool) for tool in cast("list[Any]", found)] if isinstance(found, list) else []
        for agent in agents:
            self.draft.nodes[agent]["data"]["tools"] = names
        told = ", ".join(names) or "not told"
        self.draft.note(name, "partly", f"Its tools ({told}) are the agent's now: a worker has to have them.")

    def _edge(self, source: str, target: str, edge: JsonObject) -> None:
        decider = self.deciders.get(source)
        if edge.get("conditional") and decider is not None:
            label = self._way(target, edge)
            said = f"outputs[{_quoted(decider)}].{_NEXT} == {_quoted(label)}"
            self.draft.edge(decider, target, label, expression=said)
        else:
            self.draft.edge(source, target)

    def _pause(self) -> None:
        """Where the source stops for a person, a person is asked."""
        for name, node in self.nodes.items():
            metadata: Any = node.get("metadata")
            when = cast("JsonObject", metadata).get("__interrupt") if isinstance(metadata, dict) else None
            if when not in ("before", "after", "before,after") or name not in self.draft.nodes:
                continue
            for place in str(when).split(","):
                self._ask(name, place)
            self.draft.note(
                name, "partly", f"It stops {when} this node: an approval stands there; a denial goes on too."
            )

    def _ask(self, name: str, place: str) -> None:
        ask = self.draft.free_id(f"{name}_{place}")
        label = self.draft.nodes[name]["data"]["name"]
        self.draft.node(ask, "approval", {"name": f"{place.capitalize()} {label}", "prompt": f"Go on {place} {label}?"})
        for edge in self.draft.edges:
            if place == "before" and edge["target"] == name:
                edge["target"] = ask
            elif place == "after" and edge["source"] == name:
                edge["source"] = ask
        self.draft.edge(*((ask, name) if place == "before" else (name, ask)))

    def _is_start(self, name: str, node: JsonObject) -> bool:
        return name == _START or (node.get("type") == "schema" and all(target != name for _, target, _ in self.edges))

    def _is_end(self, name: str, node: JsonObject) -> bool:
        return name == _END or (node.get("type") == "schema" and all(source != name for source, _, _ in self.edges))


def _name(value: Any) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise ValueError(f"a node is named by {value!r}, which is no id")
    return str(value)


def _class(node: JsonObject) -> str | None:
    data: Any = node.get("data")
    path: Any = cast("JsonObject", data).get("id") if isinstance(data, dict) else None
    return str(path[-1]) if isinstance(path, list) and path else None  # pyright: ignore[reportUnknownArgumentType]


def _label(name: str, node: JsonObject) -> str:
    data: Any = node.get("data")
    told: Any = cast("JsonObject", data).get("name") if isinstance(data, dict) else None
    return told if isinstance(told, str) and told.strip() else name.strip("_") or name


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"
