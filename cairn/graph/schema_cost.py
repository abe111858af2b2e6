"""How often a JSON Schema can look at one place of a document.

References let a few lines of schema stand for billions (``allOf`` of two references to the next, thirty times over),
and a recursive schema can double its work with each level of the document. Both are seen here, before any validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias, cast

from cairn.contracts.json import JsonObject

MAX_CHECKS = 20_000
"""Checks along one path into a document."""
MAX_LEVELS = 200
MAX_PATTERNS = 200
"""Regular expressions in one schema."""

_HERE_LISTS = ("allOf", "anyOf", "oneOf")
_HERE = ("not", "if", "then", "else")
_HERE_MAPS = ("dependentSchemas",)
_BELOW = (
    "items",
    "contains",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "propertyNames",
    "additionalItems",
)
_FOREIGN = ("$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor")
_ANY = ""

_Edge: TypeAlias = tuple[str | None, int]
"""The key under which a subschema applies (None: to the same place, ``""``: to any key) and the subschema's number."""


class SchemaRefused(ValueError):
    """A schema that could take too much work, or uses references that are not followed."""


def deepest_document(schema: JsonObject) -> tuple[int, list[float]]:
    """Say how deep a document may be that this schema is held against.

    Returns:
        Greatest number of levels, and for each number of levels the checks along one path, from 0 levels on.

    Raises:
        SchemaRefused: a reference that leads back to itself at the same place, too many regular expressions, or
            references by anything but a JSON pointer into the same document.
    """
    graph = _Graph(schema)
    order = graph.order()
    below = [0.0] * len(graph.edges)
    checks: list[float] = []
    for _ in range(MAX_LEVELS + 1):
        level = [0.0] * len(graph.edges)
        for number in order:
            level[number] = 1 + _worst(graph.edges[number], level, below)
        if level[0] > MAX_CHECKS:
            break
        checks.append(level[0])
        if level == below:
            return MAX_LEVELS, checks
        below = level
    if not checks:
        raise SchemaRefused("its references stand for too many subschemas")
    return len(checks) - 1, checks


def _worst(edges: list[_Edge], level: list[float], below: list[float]) -> float:
    """Return the checks that the subschemas of one schema make: all of those here, and below the worst key."""
    here = generic = 0.0
    keyed: dict[str, float] = {}
    for key, number in edges:
        if key is None:
            here += level[number]
        elif key == _ANY:
            generic += below[number]
        else:
            keyed[key] = keyed.get(key, 0.0) + below[number]
    return here + generic + max(keyed.values(), default=0.0)


class _Graph:
    """The subschemas that can apply, numbered from the root (0), and what each applies in turn."""

    def __init__(self, root: JsonObject) -> None:
        self.root = root
        self.edges: list[list[_Edge]] = []
        self._numbers: dict[int, int] = {}
        self._waiting: list[JsonObject] = []
        self._patterns = 0
        self._number(root)
        while self._waiting:
            schema = self._waiting.pop()
            self.edges[self._numbers[id(schema)]] = [
                (key, self._number(cast(JsonObject, part)))
                for key, part in self._parts(schema)
                if isinstance(part, dict)
            ]

    def _number(self, schema: JsonObject) -> int:
        number = self._numbers.get(id(schema))
        if number is None:
            number = self._numbers[id(schema)] = len(self.edges)
            self.edges.append([])
            self._waiting.append(schema)
        return number

    def _parts(self, schema: JsonObject) -> Iterator[tuple[str | None, Any]]:
        for keyword in _FOREIGN:
            if keyword in schema:
                raise SchemaRefused(f"{keyword} is not followed; use $ref with a JSON pointer, as '#/$defs/name'")
        self._count_patterns(schema)
        if "$ref" in schema:
            yield None, self._target(schema["$ref"])
        for keyword in _HERE_LISTS:
            yield from ((None, part) for part in _list(schema.get(keyword)))
        for keyword in _HERE:
            yield None, schema.get(keyword)
        for keyword in _HERE_MAPS:
            yield from ((None, part) for part in _map(schema.get(keyword)).values())
        for keyword in _BELOW:
            yield _ANY, schema.get(keyword)
        yield from _map(schema.get("properties")).items()
        yield from ((_ANY, part) for part in _map(schema.get("patternProperties")).values())
        yield from ((str(index), part) for index, part in enumerate(_list(schema.get("prefixItems"))))

    def _count_patterns(self, schema: JsonObject) -> None:
        self._patterns += ("pattern" in schema) + len(_map(schema.get("patternProperties")))
        if self._patterns > MAX_PATTERNS:
            raise SchemaRefused(f"it has more than {MAX_PATTERNS} regular expressions")

    def _target(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise SchemaRefused(
                f"$ref '{reference}' is not followed; only JSON pointers into the schema, as '#/$defs/name'"
            )
        target: Any = self.root
        for part in reference.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            target = cast(JsonObject, target).get(key) if isinstance(target, dict) else None
        if target is None:
            raise SchemaRefused(f"$ref '{reference}' leads nowhere")
        return target

    def order(self) -> list[int]:
        """Return the subschemas so that each follows those it applies to the same place."""
        state = [0] * len(self.edges)
        order: list[int] = []
        stack = [(0, False)]
        stack += [(number, False) for number in range(1, len(self.edges))]
        while stack:
            number, done = stack.pop()
            if done:
                state[number] = 2
                order.append(number)
            elif state[number] == 0:
                state[number] = 1
                stack.append((number, True))
                for key, target in self.edges[number]:
                    if key is None and state[target] == 1:
                        raise SchemaRefused("a reference leads back to itself")
                    if key is None:
                        stack.append((target, False))
        return order


def _list(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []


def _map(value: Any) -> JsonObject:
    return cast(JsonObject, value) if isinstance(value, dict) else {}
