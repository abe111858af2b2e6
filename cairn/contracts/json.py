"""JSON values and the one canonical form whose digest identifies a document."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, NoReturn, TypeAlias, cast

Json: TypeAlias = Any
"""A JSON value (None, bool, int, float, str, list, dict with string keys)."""

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object."""


MAX_DEPTH = 200
"""Nesting that every JSON library on a value's way can handle."""


def parse(text: str | bytes) -> Json:
    """Return the value of a JSON text from outside, strictly: what is accepted can be stored and sent on.

    Raises:
        ValueError: it is no JSON (NaN and infinities neither), is nested too deep, or has broken Unicode.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not _is_shallow(value):
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # pyright: ignore[reportOperatorIssue]
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _is_shallow(value: Json) -> bool:
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (cast(JsonObject, each).values() if isinstance(each, dict) else cast(list[Json], each))
        ]
        if not level:
            return True
    return False


def canonical(value: Json) -> str:
    """Return the one JSON text of a value: sorted keys, no blanks, UTF-8 characters as they are.

    Raises:
        ValueError: the value holds NaN or an infinity, which JSON has not.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Json) -> str:
    """Return the SHA-256 (hex) of the canonical form."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def merge_patch(target: Json, patch: Json) -> Json:
    """Apply an RFC 7396 merge patch and return the result; neither argument is changed."""
    if not isinstance(patch, dict):
        return patch
    result: JsonObject = dict(target) if isinstance(target, dict) else {}  # pyright: ignore[reportUnknownArgumentType]
    for key, value in patch.items():  # pyright: ignore[reportUnknownVariableType]
        if value is None:
            result.pop(key, None)  # pyright: ignore[reportUnknownArgumentType]
        else:
            result[key] = merge_patch(result.get(key), value)  # pyright: ignore[reportUnknownArgumentType]
    return result


def integral(value: object) -> object:
    """Take 5.0 for 5, as JSON Schema does: JSON has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
