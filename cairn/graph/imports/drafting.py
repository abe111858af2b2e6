"""A definition in the making, and the report beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal, cast

from cairn.contracts.json import JsonObject
from cairn.graph.imports.report import Note

PLAIN = ""
"""Label of an edge without one."""


def as_object(value: Any) -> JsonObject:
    """Return the value when it is an object, else an empty one."""
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def as_objects(value: Any) -> list[JsonObject]:
    """Return the objects of a list, none when the value is no list."""
    return [as_object(each) for each in cast("list[Any]", value)] if isinstance(value, list) else []


class Draft:
    """Nodes, edges and notes, in the order in which they were added."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.nodes: dict[str, JsonObject] = {}
        self.edges: list[JsonObject] = []
        self._numbered = 0
        self.notes: list[Note] = []

    def note(self, node: str | None, status: Literal["partly", "missing"], message: str) -> None:
        """Report on a part of the source."""
        self.notes.append(Note(node, status, message))

    def node(self, node_id: str, kind: str, data: JsonObject, position: JsonObject | None = None) -> None:
        """Add a node."""
        self.nodes[node_id] = {
            "id": node_id,
            "type": kind,
            **({"position": position} if position else {}),
            "data": data,
        }

    def edge(self, source: str, target: str, label: str = PLAIN, **data: object) -> JsonObject:
        """Add an edge."""
        self._numbered += 1
        edge: JsonObject = {"id": f"e{self._numbered}", "source": source, "target": target}
        data = {**({"label": label} if label else {}), **data}
        self.edges.append(edge | ({"data": data} if data else {}))
        return self.edges[-1]

    def free_id(self, wanted: str) -> str:
        """Return the id, or one like it that no node has."""
        found, number = wanted, 2
        while found in self.nodes:
            found, number = f"{wanted}_{number}", number + 1
        return found

    def an_end(self) -> str:
        """Return the end, which is made when there is none."""
        for name, node in self.nodes.items():
            if node["type"] == "end":
                return name
        end = self.free_id("end")
        self.node(end, "end", {"name": "End"})
        return end

    def end(self) -> None:
        """Lead every node that nothing follows to an end."""
        sources = {edge["source"] for edge in self.edges}
        open_ends = [name for name, node in self.nodes.items() if name not in sources and node["type"] != "end"]
        for name in open_ends:
            self.edge(name, self.an_end())

    def fork(self) -> None:
        """Let a node's ways for one outcome be gone side by side, as the source does, and wait where they meet."""
        self.edges = list({json.dumps({**edge, "id": ""}): edge for edge in reversed(self.edges)}.values())[::-1]
        for name in list(self.nodes):
            outcomes: dict[tuple[Any, ...], list[JsonObject]] = {}
            for edge in self._out(name) if self.nodes[name]["type"] != "parallel" else ():
                data = as_object(edge.get("data"))
                outcomes.setdefault((data.get("expression"), data.get("on", "success")), []).append(edge)
            for ways in outcomes.values():
                if len(ways) > 1:
                    self._split(name, ways)

    def _split(self, name: str, ways: list[JsonObject]) -> None:
        split = self.free_id(f"{name}_split")
        self.node(split, "parallel", {"name": f"After {self.nodes[name]['data']['name']}"})
        # In the place of the first: conditions are tried in the order of their edges.
        kept = as_object(ways[0].get("data")) if self._chooses(name) or not _is_plain(ways[0]) else {}
        self.edge(name, split, **kept)
        self.edges.insert(self.edges.index(ways[0]), self.edges.pop())
        for way in ways:
            way["source"] = split
            way["data"] = {"label": way["target"]}
        meeting = self._meeting(way["target"] for way in ways)
        if meeting is None:
            self.note(name, "partly", "Its branches do not meet in one place: they run side by side to their ends.")
            return
        place, arriving = meeting
        if self.nodes[place]["type"] == "join":
            return
        join = self.free_id(f"{place}_join")
        self.node(join, "join", {"name": f"Before {self.nodes[place]['data']['name']}"})
        for edge in arriving:
            edge["target"] = join
        self.edge(join, place)

    def _meeting(self, heads: Iterable[str]) -> tuple[str, list[JsonObject]] | None:
        """Return the node at which straight branches meet, and the edges that arrive there."""
        arriving: list[JsonObject] = []
        for head in heads:
            at, seen = head, {head}
            while True:
                out = self._out(at)
                if len(out) != 1 or out[0]["target"] in seen:
                    return None
                at = str(out[0]["target"])
                seen.add(at)
                if len(self._in(at)) > 1:
                    arriving.append(out[0])
                    break
        places = {edge["target"] for edge in arriving}
        return (places.pop(), arriving) if len(places) == 1 else None

    def _chooses(self, name: str) -> bool:
        return self.nodes[name]["type"] == "condition"

    def _out(self, name: str) -> list[JsonObject]:
        return [edge for edge in self.edges if edge["source"] == name]

    def _in(self, name: str) -> list[JsonObject]:
        return [edge for edge in self.edges if edge["target"] == name]

    def definition(self) -> JsonObject:
        """Return the definition."""
        return {"nodes": list(self.nodes.values()), "edges": self.edges}


def _is_plain(edge: JsonObject) -> bool:
    data: JsonObject = edge.get("data") or {}
    return not data.get("expression") and data.get("on", "success") == "success"
