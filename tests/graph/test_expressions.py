from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from graph.json_strategies import json_values
from hypothesis import example, given
from hypothesis import strategies as st

from cairn.graph.expressions import ITEM_NAMES, MAX_SOURCE, ExpressionError, compile_expression

SCOPE: dict[str, Any] = {
    "input": {"a": 1, "b": [1, 2, 3], "s": "x", "f": 1.5, "n": None, "m": {"k": 2, "j": 3}, "odd key": True},
    "state": {"score": 7, "items": [{"id": "p", "n": 1}, {"id": "q", "n": 2}]},
    "outputs": {"plan": {"steps": 3}, "my-node": {"label": "go"}},
    "execution": {"id": "e-1", "visits": {"plan": 2}},
}


def evaluate(source: str, **changes: Any) -> Any:
    return compile_expression(source).evaluate({**SCOPE, **changes})


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("input.a == 1", True),
        ("input.a + 1", 2),
        ("input['odd key']", True),
        ("state.items[1].id", "q"),
        ("outputs['my-node'].label == 'go'", True),
        ("execution.visits.plan < 3", True),
        ("has(input.zz)", False),
        ("has(input.a)", True),
        ("has(input.m.k) && input.m.k == 2", True),
        ("input.b.all(x, x > 0)", True),
        ("input.b.exists(x, x > 2)", True),
        ("input.b.exists_one(x, x > 2)", True),
        ("input.m.exists(key, input.m[key] == 3)", True),
        ("size(input.m) + size(input.b) + size(input.s)", 6),
        ("2 in input.b && 'k' in input.m", True),
        ("input.s.matches('^x$') && 'abc'.startsWith('a')", True),
        ("true ? dyn('x') : {'b': 1}", "x"),
        ("input.n == null ? 'none' : 'some'", "none"),
        ("{'b': 1, 'a': {'z': null, 'c': [null, 2.5]}}", {"a": {"c": [None, 2.5], "z": None}, "b": 1}),
        ("[input.n, input.f, true]", [None, 1.5, True]),
        ("null", None),
        ("3u", 3),
        ("1.0", 1.0),
        ("double(input.a) / 2.0", 0.5),
        ("string(1) + 'a'", "1a"),
        ("int('12')", 12),
        ("timestamp('2024-03-01T12:00:00+02:00')", "2024-03-01T10:00:00Z"),
        ("timestamp('2024-03-01T12:00:00Z').getHours()", 12),
        ("timestamp('2024-03-01T00:00:00Z') + duration('36h')", "2024-03-02T12:00:00Z"),
        ("duration('5m')", 300),
        ("duration('1.5s')", 1.5),
        (".input.a", 1),
        ("input.b.all(input, input > 0)", True),
        ("input.b.all(input, .input.a > 0 && input > 0)", True),
        ("type(input.a) == int", True),
    ],
)
def test_values(source: str, value: Any) -> None:
    result = evaluate(source)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize("source", ["input", "input.m", "outputs['my-node']", "input.n", "state.items"])
def test_a_whole_value_is_handed_on_as_it_is(source: str) -> None:
    expected = {
        "input": SCOPE["input"],
        "input.m": SCOPE["input"]["m"],
        "outputs['my-node']": SCOPE["outputs"]["my-node"],
        "input.n": None,
        "state.items": SCOPE["state"]["items"],
    }
    assert evaluate(source) is expected[source]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("foo", "unknown name 'foo' (column 1)"),
        ("input.a == 1\n && foo.bar", "unknown name 'foo' (line 2, column 8)"),
        ("input.a +", "unexpected end"),
        ("", "empty"),
        ("  ", "empty"),
        ("item", "unknown name 'item'"),
        ("now()", "unknown name 'now'"),
        ("input.b.map(x, x)", "map() and filter() are not available"),
        ("input.b.filter(x, x > 1)", "map() and filter() are not available"),
        ("timestamp('2024-03-01T12:00:00Z').getHours('Europe/Berlin')", "takes no time zone"),
        ("timestamp('2024-03-01T12:00:00Z').getSeconds('Europe/Berlin')", "takes no time zone"),
        ("true ? 'x' : {'b': 1}", "no matching overload"),
        ("1 == 1.0", "no matching overload"),
        ("input.s.matches('(')", "invalid regular expression"),
        ("input.s.matches(state.pattern)", "written out"),
        ("input.s.matches('\\\\pL')", "Unicode class"),
        ("input.b.all(x, string(x).matches('a{3}'))", "counted repetition"),
        ("input.s.matches('" + "a" * 257 + "')", "256 characters"),
        ("(" * 200 + "1" + ")" * 200, "nested too deeply"),
        ("+".join(["1"] * 500), "chains too many"),
        ("'" + "a" * MAX_SOURCE + "'", "2050 bytes"),
        ("'\ud800'", "Unicode"),
    ],
)
def test_what_does_not_compile_says_why(source: str, message: str) -> None:
    with pytest.raises(ExpressionError) as error:
        compile_expression(source)
    assert message in error.value.message
    assert error.value.code == "expression"
    assert "INVALID_ARGUMENT" not in error.value.message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("input.zz", 'no such key: "zz"'),
        ("input.a.b", "not an object"),
        ("1 / 0", "divide by zero"),
        ("9223372036854775807 + input.a", "overflow"),
        ("input.s + 1", "do not go together"),
        ("input.f + input.a", "do not go together"),
        ("input.b[9]", "index"),
        ("int(input.s)", "cannot convert"),
        ("1.0 / 0.0", "finite"),
        ("0.0 / 0.0", "finite"),
        ("{1: 2}", "keys are not strings"),
        ("b'x'", "JSON does not have"),
        ("type(1)", "JSON does not have"),
        ("input.m.all(key, key.zz)", "failed for an item"),
        ("timestamp(input.s)", "imestamp"),
    ],
)
def test_what_fails_says_why(source: str, message: str) -> None:
    with pytest.raises(ExpressionError) as error:
        evaluate(source)
    assert message in error.value.message
    assert "INVALID_ARGUMENT" not in error.value.message


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**64, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        ([{"x": 2**80}], "64 bits"),
        (nested(300), "nested deeper"),
        (nested(50_000), "nested deeper"),
        ("\ud800", "Unicode"),
        ({"\ud800": 1}, "Unicode"),
        ((1, 2), "not JSON"),
        (object(), "not JSON"),
    ],
)
def test_values_that_the_language_has_not(value: Any, message: str) -> None:
    with pytest.raises(ExpressionError) as error:
        evaluate("dyn(input.v) == 1", input={"v": value})
    assert message in error.value.message


def test_only_what_is_named_matters() -> None:
    """A value elsewhere that the language cannot take, or that is huge, changes nothing and costs nothing."""
    outputs = {"a": {"n": 1, "deep": nested(50_000)}, "big": [2**80] * 1_000_000, "b-c": {"n": 2}}
    assert evaluate("outputs.a.n + outputs['b-c'].n == 3", outputs=outputs) is True


def test_names_of_a_map() -> None:
    expression = compile_expression("item.n * 2 + index", names=ITEM_NAMES)
    assert expression.evaluate({**SCOPE, "item": {"n": 4}, "index": 1}) == 9


def test_paths_tell_what_is_read() -> None:
    assert compile_expression("outputs.plan.steps > state['score'] && has(input.m.k)").paths == {
        ("outputs", "plan", "steps"),
        ("state", "score"),
        ("input", "m", "k"),
    }
    assert compile_expression("state.items.exists(i, i.n == input.a) && state.items[0].n == 1").paths == {
        ("state", "items"),
        ("input", "a"),
    }
    assert compile_expression("size(state) > 0 && state.score == 7").paths == {("state",)}


def test_a_result_that_cannot_be_a_condition() -> None:
    assert not compile_expression("1 + 1").may_be_boolean
    assert not compile_expression("'yes'").may_be_boolean
    assert compile_expression("input.a").may_be_boolean
    assert compile_expression("1 < 2").may_be_boolean


# Cost. The figures are what the guard counts, so nothing here is timed.


@pytest.mark.parametrize(
    "source",
    [
        "state.l.all(x, x in state.l)",
        "state.l.all(x, state.l == state.l)",
        "state.l.all(x, state.l.exists(y, y in state.l))",
        "state.l.exists(x, string(x).matches('^a'))",
    ],
)
def test_too_much_work_is_refused_before_it_starts(source: str) -> None:
    with pytest.raises(ExpressionError, match="too much data"):
        evaluate(source, state={"l": list(range(9_000))})


def test_iterations_are_bounded() -> None:
    assert evaluate("state.l.all(x, x >= 0)", state={"l": list(range(9_999))}) is True
    with pytest.raises(ExpressionError, match="10000 iterations"):
        evaluate("state.l.all(x, x >= 0)", state={"l": list(range(10_001))})
    with pytest.raises(ExpressionError, match="10000 iterations"):
        evaluate("state.l.all(x, state.l.all(y, x + y >= 0))", state={"l": list(range(150))})


def test_a_map_that_may_exhaust_the_iterations_is_refused_whatever_the_order_of_its_keys() -> None:
    """Whether ``exists`` ends in time depends on the order in which keys come, which differs from run to run."""
    state = {"m": {f"k{i}": i for i in range(150)}}
    with pytest.raises(ExpressionError, match="over a map"):
        evaluate("state.m.exists(x, state.m.exists(y, x != y))", state=state)


def test_a_large_value_may_be_read_and_handed_on() -> None:
    large = [{"id": i, "text": "abcdefghij" * 3} for i in range(20_000)]
    assert evaluate("size(state.large) == 20000 && state.large[7].id == 7", state={"large": large}) is True
    assert evaluate("state.large", state={"large": large}) is large
    with pytest.raises(ExpressionError, match="more than 100000 values"):
        evaluate("[state.large, state.large]", state={"large": large})


def test_evaluations_leave_none_alone() -> None:
    """The library takes away references to None that it does not own; before Python 3.12 that ends the process."""
    expression = compile_expression("[null, input.n, {'a': input.n}]")
    before = sys.getrefcount(None)
    for _ in range(5_000):
        expression.evaluate(SCOPE)
    assert abs(sys.getrefcount(None) - before) < 1_000


_PRINT = """
import json
from cairn.graph.expressions import ExpressionError, compile_expression
scope = {"input": {f"key{i}": {"v": i} for i in range(40)}, "state": {}, "outputs": {}, "execution": {}}
sources = ("{'z': input, 'a': 1, 'm': [input.key3]}", "input.exists(k, k.zz == 1)", "input.all(k, input[k].v < 50)")
for source in sources:
    try:
        print(json.dumps(compile_expression(source).evaluate(scope)))
    except ExpressionError as error:
        print(error)
"""


def test_the_same_in_every_process() -> None:
    runs = {
        subprocess.run(
            [sys.executable, "-c", _PRINT],
            capture_output=True,
            check=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(path for path in sys.path if path)},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(runs) == 1
    assert "key39" in runs.pop()


def test_expressions_are_shared_by_threads() -> None:
    failures: list[Any] = []

    def work(number: int) -> None:
        for round_ in range(300):
            source = f"input.l.all(x, x < {100 + round_ % 60}) && state.a == {number}"
            value = compile_expression(source).evaluate({"input": {"l": [1, 2, 3]}, "state": {"a": number}})
            if value is not True:
                failures.append((number, round_, value))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# Properties.


def check_plain(value: Any) -> None:
    json.dumps(value, allow_nan=False)
    if isinstance(value, dict):
        assert list(value) == sorted(value)
        for member in value.values():
            check_plain(member)
    elif isinstance(value, list):
        for item in value:
            check_plain(item)
    else:
        assert value is None or type(value) in (bool, int, float, str)


@given(st.text(max_size=60) | st.text("input.state[]()'\"+-*/%!<>=&|?:{},0129abx \n\\", max_size=60))
@example("input.b.all(x, x in input.b)")
@example("\x00")
def test_any_text_is_an_expression_or_an_error(source: str) -> None:
    try:
        value = evaluate(source)
    except ExpressionError as error:
        assert error.message
    else:
        check_plain(json.loads(json.dumps(value, sort_keys=True)))


def tree(depth: int) -> Iterator[st.SearchStrategy[str]]:
    atoms = st.sampled_from(
        [
            "input",
            "input.v",
            "state.l",
            "x",
            "1",
            "2.5",
            "'a'",
            "null",
            "true",
            "[]",
            "{}",
            "3u",
            "b'x'",
            "duration('1s')",
        ]
    )
    yield atoms
    if depth:
        inner = st.one_of(*tree(depth - 1))
        yield st.tuples(
            inner, st.sampled_from(["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in"]), inner
        ).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})")
        yield st.tuples(inner, st.sampled_from(["all", "exists", "exists_one"]), inner).map(
            lambda parts: f"{parts[0]}.{parts[1]}(x, {parts[2]})"
        )
        yield st.tuples(inner, inner).map(lambda parts: f"{parts[0]}[{parts[1]}]")
        yield st.tuples(inner, inner).map(lambda parts: f"{{'b': {parts[0]}, 'a': {parts[1]}}}")
        yield st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})")
        yield st.tuples(st.sampled_from(["size", "string", "int", "double", "type", "timestamp", "dyn"]), inner).map(
            lambda parts: f"{parts[0]}({parts[1]})"
        )


@given(st.one_of(*tree(3)), json_values)
def test_any_expression_over_any_json_gives_json_or_an_error(source: str, value: Any) -> None:
    scope = {"input": {"v": value}, "state": {"l": [value, 1]}, "outputs": {}, "execution": {}}
    results: list[Any] = []
    for _ in range(2):
        try:
            results.append(compile_expression(source).evaluate(scope))
        except ExpressionError as error:
            results.append(error.message)
    assert repr(results[0]) == repr(results[1])


@given(st.one_of(*tree(3)), json_values)
def test_what_is_left_out_of_the_scope_changes_nothing(source: str, value: Any) -> None:
    """An expression is given only what it names: with more, it must give the same."""
    scope = {"input": {"v": value}, "state": {"l": [1, 2]}, "outputs": {}, "execution": {}}
    try:
        expression = compile_expression(source)
        expected = expression.evaluate(scope)
    except ExpressionError:
        return
    whole = compile_expression(f"[dyn({source}), has(input.v) && has(state.l)][0]")
    try:
        result = whole.evaluate(scope)
    except ExpressionError as error:
        assert "64 bits" in error.message or "Unicode" in error.message or "finite" in error.message
    else:
        assert json.dumps(result, sort_keys=True) == json.dumps(expected, sort_keys=True)
