from __future__ import annotations

from typing import Any

import pytest
from graph.json_strategies import json_objects, json_values
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import FieldError
from cairn.graph.schema import MAX_ERRORS, check_schema, validate_json

PERSON = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer", "minimum": 0},
        "a/b~c": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "mail": {"type": "string", "format": "email"},
    },
}


def test_a_valid_schema_has_no_problems() -> None:
    for schema in ({}, True, False, PERSON, {"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a"}):
        assert check_schema(schema) == []


def test_every_error_has_its_pointer() -> None:
    value = {"name": "", "age": -1, "a/b~c": 1, "tags": ["x", 2, 3], "mail": "nobody"}
    assert {error.pointer for error in validate_json(PERSON, value)} == {
        "/name",
        "/age",
        "/a~1b~0c",
        "/tags/1",
        "/tags/2",
        "/mail",
    }
    assert validate_json(PERSON, {}) == [FieldError("", '"name" is a required property')]
    assert validate_json(PERSON, {"name": "x", "age": 1}) == []
    assert validate_json(False, 1)[0].pointer == ""


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (5, "an object, true or false"),
        ({"type": "nope"}, "/type"),
        ({"properties": {"a": {"type": 5}}}, "/properties/a/type"),
        ({"pattern": "("}, "/pattern"),
        ({"pattern": "(?=a)"}, "/pattern"),
        ({"pattern": "\\p{L}{1000}"}, "/pattern"),
        ({"$ref": "http://127.0.0.1:9/schema"}, "not followed"),
        ({"$ref": "file:///etc/passwd"}, "not followed"),
        ({"properties": {"a": {"$ref": "other.json"}}}, "not followed"),
        ({"properties": {"a": {"$id": "http://x/y"}}}, "not followed"),
        ({"$dynamicRef": "#x"}, "not followed"),
        ({"$ref": "#/$defs/nowhere"}, "leads nowhere"),
        ({"$ref": "#"}, "back to itself"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}, "back to itself"),
        ({"const": float("nan")}, "JSON"),
        ({"const": "\ud800"}, "Unicode"),
        ({"patternProperties": {f"a{i}": {} for i in range(300)}}, "200 regular expressions"),
        ({"enum": ["x" * 300_000]}, "262144 characters"),
    ],
)
def test_a_schema_that_cannot_be_used_says_why(schema: Any, problem: str) -> None:
    problems = check_schema(schema)
    assert problem in problems[0]
    assert validate_json(schema, {})[0].message


def test_every_problem_of_a_schema_is_told() -> None:
    assert len(check_schema({"type": "nope", "minimum": "a", "properties": []})) == 3


def doubling(times: int) -> dict[str, Any]:
    """A few lines that stand for 2 to the power of ``times`` subschemas."""
    steps = {f"s{i}": {"allOf": [{"$ref": f"#/$defs/s{i + 1}"}] * 2} for i in range(times)}
    return {"$ref": "#/$defs/s0", "$defs": {**steps, f"s{times}": {"type": "string"}}}


def chain(length: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(length):
        value = {"next": value}
    return value


def test_references_that_multiply_are_refused() -> None:
    assert check_schema(doubling(8)) == []
    assert validate_json(doubling(8), 1)
    assert "too many subschemas" in check_schema(doubling(60))[0]


def test_recursive_schemas_are_fine_unless_each_level_doubles_the_work() -> None:
    tree = {"properties": {"left": {"$ref": "#"}, "next": {"$ref": "#"}}, "required": ["next"]}
    assert validate_json(tree, chain(150))[0].pointer == "/next" * 150
    union = {"anyOf": [{"properties": {"next": {"$ref": "#"}}, "required": [key]} for key in ("a", "b")]}
    assert validate_json(union, chain(5))
    assert "too deep" in validate_json(union, chain(100))[0].message


def test_values_are_bounded() -> None:
    assert len(validate_json({"items": {"type": "string"}}, list(range(1000)))) == MAX_ERRORS
    assert len(validate_json({"items": {"type": "string"}}, list(range(200_000)))) == 1
    assert validate_json({"items": {"type": "integer"}}, list(range(200_000))) == []
    assert "more than 500000 values" in validate_json({}, [0] * 600_000)[0].message
    assert "nested deeper" in validate_json({}, chain(50_000))[0].message
    assert validate_json({}, "\ud800")[0].message == "a text is not valid Unicode"
    assert "not JSON" in validate_json({}, {"a": object()})[0].message
    assert len(validate_json({"type": "array"}, "x" * 100_000)[0].message) <= 300


def test_a_pattern_takes_linear_time() -> None:
    assert validate_json({"pattern": "^(a+)+$"}, "a" * 50_000 + "b")
    assert validate_json({"pattern": "^(a|aa)*$"}, "a" * 50_000) == []


def test_the_draft_is_fixed() -> None:
    old = {"$schema": "http://json-schema.org/draft-07/schema#", "$id": "urn:x", "type": "integer"}
    assert check_schema(old) == []
    assert validate_json(old, "x")


_keywords = st.sampled_from(
    ["type", "properties", "items", "$ref", "allOf", "anyOf", "not", "pattern", "required", "enum", "$defs", "minimum"]
)
_parts = st.recursive(
    json_values | st.sampled_from(["string", "object", "#", "#/$defs/a", "(", "^a*$"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keywords | st.sampled_from("ab"), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(_keywords, _parts, max_size=4) | json_objects, json_values)
def test_any_schema_over_any_value_never_raises(schema: dict[str, Any], value: Any) -> None:
    problems = check_schema(schema)
    errors = validate_json(schema, value)
    if problems:
        assert "not valid" in errors[0].message or errors[0].message in problems
    assert all(isinstance(error, FieldError) for error in errors)
