"""Reducers: how a value that is written to a state key meets what is there."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, cast

from cairn.contracts.json import Json, merge_patch

Reducer: TypeAlias = Literal["replace", "append", "merge", "sum"]


class ReducerError(ValueError):
    """A value that the key's reducer cannot take; the message is for the graph's author."""

    code = "reducer"

    def __init__(self, message: str) -> None:
        """Make an error with a message for the author."""
        super().__init__(message)
        self.message = message


def reduce(reducer: Reducer, old: Json, new: Json) -> Json:
    """Return what a state key holds after a write; neither argument is changed.

    Args:
        reducer: ``replace``: the new value. ``append``: the old list with the new value as one more item; null counts
            as an empty list. ``merge``: RFC 7396, the new value is the patch. ``sum``: both added; null counts as 0.
        old: what is there.
        new: what is written.

    Raises:
        ReducerError: ``append`` to something that is no list, ``sum`` of something that is no number.
    """
    if reducer == "append":
        if old is not None and not isinstance(old, list):
            raise ReducerError(f"append needs a list, but the state has {_kind(old)}")
        return [*cast(list[Json], old or []), new]
    if reducer == "merge":
        return merge_patch(old, new)
    if reducer == "sum":
        return _sum(old, new)
    return new


def _sum(old: Json, new: Json) -> Json:
    for value, place in ((old, "the state has"), (new, "was given")):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ReducerError(f"sum needs a number, but {place} {_kind(value)}")
    try:
        total = (old or 0) + (new or 0)
        finite = math.isfinite(total)
    except OverflowError:
        finite = False
        total = 0
    if not finite:
        raise ReducerError("the sum is not a finite number")
    return total


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "null"
