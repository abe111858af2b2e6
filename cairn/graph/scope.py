"""The values that expressions and texts see: the part that is named, and its size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any, TypeAlias, cast

from cairn.contracts.json import Json, JsonObject

Path: TypeAlias = tuple[str, ...]
"""Keys from a name of the scope inwards: ``state.a['b']`` is ``("state", "a", "b")``."""

MAX_DEPTH = 200
"""Nesting of a value."""
MAX_NODES = 500_000
"""Values inside a value."""


class ScopeError(ValueError):
    """A value that is too deep, too large, or not JSON."""


def narrow(scope: Mapping[str, Json], paths: Iterable[Path]) -> JsonObject:
    """Return the part of the scope that the paths name; nothing is copied but the maps on the way."""
    result: JsonObject = {}
    for path in paths:
        source: Mapping[str, Json] = scope
        target = result
        for depth, key in enumerate(path, 1):
            if key not in source:
                break
            value = source[key]
            if depth == len(path) or not isinstance(value, dict):
                target[key] = value
                break
            source = cast(JsonObject, value)
            target = target.setdefault(key, {})
    return result


def outermost(paths: Set[Path]) -> frozenset[Path]:
    """Return the paths that no other one is the beginning of."""
    return frozenset(path for path in paths if not any(path[:length] in paths for length in range(len(path))))


class Size:
    """Size of some JSON.

    Attributes:
        bytes: of its JSON text, roughly.
        depth: levels of nesting, 1 for a scalar.
        nodes: values in it, itself and keys included.
        longest: items of the longest list or map.
        widest: characters of the longest string.
        wide_integers: there is one beyond 64 bits.
    """

    __slots__ = ("bytes", "depth", "longest", "nodes", "wide_integers", "widest")

    def __init__(self, value: Json) -> None:
        """Measure a value.

        Raises:
            ScopeError: it is too deep, too large, not JSON, or has broken Unicode.
        """
        self.wide_integers = False
        self.bytes = self.depth = self.nodes = self.longest = self.widest = 0
        level: list[Any] = [value]
        while level:
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise ScopeError(f"a value is nested deeper than {MAX_DEPTH} levels")
            level = self._add(level)

    def _add(self, values: list[Any]) -> list[Any]:
        """Count the values of one level and return those of the next."""
        below: list[Any] = []
        for value in values:
            if isinstance(value, dict):
                members = cast(JsonObject, value)
                self._container(len(members))
                below.extend(members.keys())
                below.extend(members.values())
            elif isinstance(value, list):
                items = cast(list[Json], value)
                self._container(len(items))
                below.extend(items)
            else:
                self._scalar(value)
        self.nodes += len(values)
        if self.nodes + len(below) > MAX_NODES:
            raise ScopeError(f"more than {MAX_NODES} values; name a smaller part")
        return below

    def _container(self, length: int) -> None:
        self.bytes += 2 + length
        self.longest = max(self.longest, length)

    def _scalar(self, value: Any) -> None:
        if isinstance(value, str):
            self.bytes += len(value) + 2
            self.widest = max(self.widest, len(value))
            _check_text(value)
        elif isinstance(value, int):
            self.bytes += 8
            self.wide_integers |= not -(2**63) <= value < 2**63
        elif value is None or isinstance(value, float):
            self.bytes += 8
        else:
            raise ScopeError(f"a value of type {type(value).__name__} is not JSON")


def _check_text(value: str) -> None:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ScopeError("a text is not valid Unicode") from None
