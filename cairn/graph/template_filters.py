"""The filters of texts, and how a value is written into one.

All are our own: each counts what it reads and makes, so that no chain of them works or grows without bound.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import minijinja

from cairn.contracts.json import Json, JsonObject

MAX_OUTPUT = 1_048_576
"""Characters of a rendered text."""
_MAX_WORK = 16 * MAX_OUTPUT


class FilterRefused(ValueError):
    """Raised while a text is rendered; the message is for its author."""


def _work(state: Any, amount: int) -> None:
    done = int(state.get_temp("cairn_work", 0)) + amount
    if done > _MAX_WORK:
        raise FilterRefused("the text takes too much work")
    state.set_temp("cairn_work", done)


def _json(value: Json) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return ""


def _text(value: Json) -> str:
    if value is None or callable(value):
        return ""
    return str(value) if isinstance(value, str) else _json(value)


@minijinja.pass_state
def emit(state: Any, value: Json) -> str:
    """Write a value: nothing for null, a text as it is, any other value as JSON."""
    text = _text(value)
    emitted = int(state.get_temp("cairn_emitted", 0)) + len(text)
    if emitted > MAX_OUTPUT:
        raise FilterRefused(f"the text is longer than {MAX_OUTPUT} characters")
    state.set_temp("cairn_emitted", emitted)
    return text


def _filter(name: str, function: Callable[..., Json]) -> Callable[..., Json]:
    """Make a filter whose work is counted."""

    @minijinja.pass_state
    def counted(state: Any, value: Json, *arguments: Json) -> Json:
        _work(state, _weight(value))
        try:
            result = function(value, *arguments)
        except (TypeError, AttributeError, OverflowError):
            raise FilterRefused(f"wrong arguments of filter '{name}'") from None
        _work(state, _weight(result))
        return result

    return counted


def _weight(value: Json) -> int:
    if isinstance(value, str):
        return 20 + len(value)
    return 20 + 20 * len(cast(list[Json], value)) if isinstance(value, list | dict) else 20


def _items(value: Json) -> list[Json]:
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return list(cast(list[Json], value))
    raise FilterRefused("a filter for lists was given something else")


def _join(value: Json, separator: str = ", ") -> str:
    items = _items(value)
    if len(items) * len(separator) > MAX_OUTPUT:
        raise FilterRefused(f"the text is longer than {MAX_OUTPUT} characters")
    return separator.join(_text(item) for item in items)


def _replace(value: Json, old: str, new: str) -> str:
    text = _text(value)
    if text.count(old) * len(new) > MAX_OUTPUT:
        raise FilterRefused(f"the text is longer than {MAX_OUTPUT} characters")
    return text.replace(old, new)


def _truncate(value: Json, length: int = 255) -> str:
    text = _text(value)
    return text if len(text) <= length else text[: max(0, length - 1)] + "…"


def _sort(value: Json) -> Json:
    try:
        return sorted(_items(value))
    except TypeError:
        raise FilterRefused("only numbers, or only texts, can be sorted") from None


def _round(value: Json, digits: int = 0) -> Json:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FilterRefused("only a number can be rounded")
    return round(value, min(max(digits, 0), 15)) if digits else round(value)


def _unique(value: Json) -> Json:
    return list({_json(item): item for item in reversed(_items(value))}.values())[::-1]


def _pairs(value: Json) -> Json:
    if value is None:
        return []
    if not isinstance(value, dict):
        raise FilterRefused("only an object has items")
    return [[key, member] for key, member in cast(JsonObject, value).items()]


def _length(value: Json) -> int:
    return len(cast(list[Json], value)) if isinstance(value, str | list | dict) else 0


def _default(value: Json, fallback: Json = "") -> Json:
    return fallback if value is None or value == "" else value


def _first(value: Json) -> Json:
    return next(iter(_items(value)), None)


def _last(value: Json) -> Json:
    return next(reversed(_items(value)), None)


def _reverse(value: Json) -> Json:
    return _items(value)[::-1]


def _on_text(function: Callable[[str], str]) -> Callable[..., Json]:
    def apply(value: Json) -> Json:
        return function(_text(value))

    return apply


_FUNCTIONS: dict[str, Callable[..., Json]] = {
    "default": _default,
    "upper": _on_text(str.upper),
    "lower": _on_text(str.lower),
    "capitalize": _on_text(str.capitalize),
    "title": _on_text(str.title),
    "trim": _on_text(str.strip),
    "replace": _replace,
    "truncate": _truncate,
    "json": _json,
    "tojson": _json,
    "length": _length,
    "first": _first,
    "last": _last,
    "join": _join,
    "sort": _sort,
    "reverse": _reverse,
    "unique": _unique,
    "items": _pairs,
    "round": _round,
}

FILTERS: dict[str, Callable[..., Json]] = {name: _filter(name, function) for name, function in _FUNCTIONS.items()}
"""The filters of texts by name."""
