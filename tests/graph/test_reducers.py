from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from graph.json_strategies import json_values
from hypothesis import given
from hypothesis import strategies as st

from cairn.contracts.json import merge_patch
from cairn.graph.reducers import Reducer, ReducerError, reduce


@pytest.mark.parametrize(
    ("reducer", "old", "new", "result"),
    [
        ("replace", {"a": 1}, [2], [2]),
        ("replace", 1, None, None),
        ("append", None, 1, [1]),
        ("append", [], [1, 2], [[1, 2]]),
        ("append", [1], None, [1, None]),
        ("merge", None, {"a": None, "b": 1}, {"b": 1}),
        ("merge", {"a": 1, "c": {"d": 1}}, {"a": None, "c": {"e": 2}}, {"c": {"d": 1, "e": 2}}),
        ("merge", {"a": 1}, 5, 5),
        ("sum", None, 2, 2),
        ("sum", 2, None, 2),
        ("sum", 1, 2.5, 3.5),
        ("sum", 2**70, 1, 2**70 + 1),
    ],
)
def test_reducers(reducer: Reducer, old: Any, new: Any, result: Any) -> None:
    assert reduce(reducer, old, new) == result


@pytest.mark.parametrize(
    ("reducer", "old", "new", "message"),
    [
        ("append", {"a": 1}, 1, "append needs a list, but the state has an object"),
        ("append", "x", 1, "append needs a list, but the state has a text"),
        ("sum", 1, "2", "sum needs a number, but was given a text"),
        ("sum", True, 1, "sum needs a number, but the state has a boolean"),
        ("sum", 1, [1], "sum needs a number, but was given a list"),
        ("sum", 1e308, 1e308, "not a finite number"),
        ("sum", float("inf"), 1, "not a finite number"),
        ("sum", 10**400, 0.5, "not a finite number"),
    ],
)
def test_what_a_reducer_cannot_take(reducer: Reducer, old: Any, new: Any, message: str) -> None:
    with pytest.raises(ReducerError, match=message) as error:
        reduce(reducer, old, new)
    assert error.value.code == "reducer"


@given(st.sampled_from(["replace", "append", "merge", "sum"]), json_values, json_values)
def test_reducers_change_nothing_and_only_raise_their_own_error(reducer: Reducer, old: Any, new: Any) -> None:
    before = copy.deepcopy((old, new))
    with contextlib.suppress(ReducerError):
        reduce(reducer, old, new)
    assert repr((old, new)) == repr(before)


# Examples of RFC 7396, appendix A.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_of_rfc_7396(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy((target, patch))
    assert merge_patch(target, patch) == result
    assert (target, patch) == before
