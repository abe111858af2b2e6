"""What goes together when tests run side by side, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest
from side_by_side import FIRST, place_of, unit_of


@pytest.mark.parametrize(
    ("test", "unit"),
    [
        ("tests/graph/test_step.py::test_a[x]", "tests/graph/test_step.py"),
        ("tests/crash/test_undo.py::test_a[x]", "tests/crash"),
        ("tests/crash/test_storms.py::test_a[x]", "tests/crash/test_storms.py"),
        ("tests/docs/test_people.py::test_a", "tests/docs"),
        ("tests/api/test_codec.py::test_a[sqlite]", "tests/api/test_codec.py[sqlite]"),
        ("tests/api/test_codec.py::TestB::test_a[x-postgresql-1]", "tests/api/test_codec.py[postgresql]"),
        ("tests/api/test_codec.py::test_sqlite", "tests/api/test_codec.py"),
        ("tests/api/test_openapi.py::test_a[postgresql-b]", "tests/api/test_openapi.py::test_a[postgresql-b]"),
    ],
)
def test_what_shares_something_dear_goes_together(test: str, unit: str) -> None:
    assert unit_of(test) == unit


def test_what_takes_long_begins_early_and_each_database_is_one_stretch() -> None:
    tests = [
        "tests/api/test_voice.py::test_a[postgresql]",
        "tests/api/test_voice.py::test_a[sqlite]",
        "tests/api/test_codec.py::test_a[postgresql]",
        "tests/api/test_codec.py::test_a[sqlite]",
        "tests/crash/test_undo.py::test_a",
    ]
    assert sorted(tests, key=place_of) == [tests[4], tests[1], tests[3], tests[0], tests[2]]


def test_what_begins_early_is_there() -> None:
    root = Path(__file__).parents[1]
    assert [name for name in FIRST if not (root / name).exists()] == []
