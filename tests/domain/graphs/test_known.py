"""Definitions that a process keeps in memory: by their size, not by their number."""

from __future__ import annotations

from cairn.contracts.json import JsonObject
from cairn.domain.graphs.pinned import Known


def definition(size: int) -> JsonObject:
    """Return one of so many bytes as JSON."""
    return {"x": "y" * (size - len('{"x":""}'))}


def test_those_that_were_not_asked_for_the_longest_make_room() -> None:
    known = Known(100)
    for number in range(3):
        known.keep((number, "d"), definition(30))
    assert known.get((0, "d")) == definition(30) and known.size == 90
    known.keep((3, "d"), definition(40))
    assert known.get((1, "d")) is None and known.get((0, "d")) is not None and known.size == 100
    known.keep((3, "d"), definition(40))
    assert known.size == 100, "what is kept already counts once"


def test_one_that_is_larger_than_all_that_is_kept_is_not_kept() -> None:
    known = Known(100)
    known.keep((1, "d"), definition(20))
    known.keep((2, "d"), {"x": "ü" * 60})
    assert known.get((2, "d")) is None
    assert known.get((1, "d")) is not None and known.size == 20, "nor does it drive out the others"
