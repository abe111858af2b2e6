"""JSON values and the one canonical form whose digest identifies a document."""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A JSON value (None, bool, int, float, str, list, dict with string keys)."""

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object."""


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
