"""A graph as boxes and arrows, whatever it is drawn as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from cairn.contracts.json import JsonObject

BoxState = Literal["planned", "reached", "running", "failed"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A checkpoint that a node made."""

    id: str
    step: int


@dataclass(frozen=True, slots=True)
class Box:
    """A node.

    Attributes:
        id: as its author has it; several may have the same one, for a draft may be wrong.
        kind: None for a node that edges name and that is not there.
        note: how often and how long it worked.
        state: how far an execution has come with it; ``planned`` without an execution.
        marks: checkpoints of the execution's present line.
    """

    id: str
    kind: str | None
    name: str
    note: str = ""
    state: BoxState = "planned"
    marks: Sequence[Mark] = ()


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge.

    Attributes:
        source: index of a box.
        target: index of a box.
        label: as its author has it.
        on: success, error or timeout.
        taken: how often an execution has followed it.
    """

    id: str
    source: int
    target: int
    label: str
    on: str = "success"
    taken: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be drawn.

    Attributes:
        title: what it is of.
        of_execution: whether the states of boxes and the counts of arrows mean something.
    """

    title: str
    boxes: Sequence[Box]
    arrows: Sequence[Arrow]
    of_execution: bool = False


def picture_of(definition: JsonObject, title: str) -> Picture:
    """Return the picture of a definition, be it valid or not: nodes that edges name in vain have boxes, too."""
    boxes: list[Box] = []
    places: dict[str, int] = {}
    for node in _objects(definition.get("nodes")):
        node_id = str(node.get("id"))
        places.setdefault(node_id, len(boxes))
        name = _object(node.get("data")).get("name")
        boxes.append(Box(node_id, str(node.get("type")), name if isinstance(name, str) and name else node_id))
    arrows: list[Arrow] = []
    for edge in _objects(definition.get("edges")):
        for end in ("source", "target"):
            if str(edge.get(end)) not in places:
                places[str(edge.get(end))] = len(boxes)
                boxes.append(Box(str(edge.get(end)), None, str(edge.get(end))))
        data = _object(edge.get("data"))
        ends = places[str(edge.get("source"))], places[str(edge.get("target"))]
        arrows.append(Arrow(str(edge.get("id")), *ends, str(data.get("label") or ""), str(data.get("on") or "success")))
    return Picture(title, boxes, arrows)


def _objects(value: Any) -> list[JsonObject]:
    return [each for each in cast("list[Any]", value) if isinstance(each, dict)] if isinstance(value, list) else []


def _object(value: Any) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}
