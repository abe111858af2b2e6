"""How two definitions of a graph differ: nodes and edges by their ids, each changed member by its path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from cairn.contracts.json import Json, JsonObject

_LAYOUT = "position"
_APART = ("nodes", "edges", "viewport")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A member that is not the same; None stands for one that is not there, too.

    Attributes:
        field: path of the member, for example ``data.prompt``.
    """

    field: str
    before: Json
    after: Json


@dataclass(frozen=True, slots=True)
class Changed:
    """A node or edge that is in both definitions, and not the same."""

    id: str
    fields: Sequence[FieldChange]


@dataclass(slots=True)
class Elements:
    """Nodes, or edges.

    Attributes:
        added: as the other definition has them.
        removed: as the one definition has them.
        changed: in anything but their place in the editor.
        moved: in the editor.
    """

    added: list[JsonObject] = field(default_factory=list[JsonObject])
    removed: list[JsonObject] = field(default_factory=list[JsonObject])
    changed: list[Changed] = field(default_factory=list[Changed])
    moved: list[Changed] = field(default_factory=list[Changed])


@dataclass(frozen=True, slots=True)
class Difference:
    """From one definition to another.

    Attributes:
        settings: other members of the definition, such as ``limits.steps``.
        viewport: of the editor, when it is not the same.
    """

    nodes: Elements
    edges: Elements
    settings: Sequence[FieldChange]
    viewport: FieldChange | None


def difference(one: JsonObject, other: JsonObject) -> Difference:
    """Return how another definition differs from one, be they valid or not, in linear time."""
    before, after = ({name: each[name] for name in each if name not in _APART} for each in (one, other))
    viewports = one.get("viewport"), other.get("viewport")
    return Difference(
        nodes=_elements(one.get("nodes"), other.get("nodes")),
        edges=_elements(one.get("edges"), other.get("edges")),
        settings=list(_fields(before, after)),
        viewport=FieldChange("viewport", *viewports) if viewports[0] != viewports[1] else None,
    )


def _elements(one: Json, other: Json) -> Elements:
    before, after = _by_id(one), _by_id(other)
    found = Elements()
    for key, element in after.items():
        if key not in before:
            found.added.append(element)
            continue
        changes = list(_fields(before[key], element))
        moved = [change for change in changes if change.field.partition(".")[0] == _LAYOUT]
        others = [change for change in changes if change.field.partition(".")[0] != _LAYOUT]
        if moved:
            found.moved.append(Changed(key[0], moved))
        if others:
            found.changed.append(Changed(key[0], others))
    found.removed = [element for key, element in before.items() if key not in after]
    return found


def _by_id(elements: Json) -> dict[tuple[str, int], JsonObject]:
    """Return the elements by id, and the how-many-th of this id it is: a draft may have several."""
    listed = cast("list[JsonObject]", elements if isinstance(elements, list) else [])
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], JsonObject] = {}
    for element in listed:
        element_id = str(element.get("id"))
        found[element_id, seen[element_id]] = element
        seen[element_id] += 1
    return found


def _fields(before: JsonObject, after: JsonObject, path: str = "") -> Iterator[FieldChange]:
    """Yield what differs; objects are gone into, lists are compared as a whole."""
    for name in dict.fromkeys([*before, *after]):
        old: Any = before.get(name)
        new: Any = after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _fields(cast("JsonObject", old), cast("JsonObject", new), f"{path}{name}.")
        elif not _same(old, new) or (name in before) != (name in after):
            yield FieldChange(f"{path}{name}", old, new)


def _same(old: Any, new: Any) -> bool:
    """Compare as JSON does: true is not 1."""
    return old == new and isinstance(old, bool) == isinstance(new, bool)
