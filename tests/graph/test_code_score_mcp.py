"""The data of code, score and mcp nodes: what is refused, what is warned of, what their activities are given."""

from __future__ import annotations

from typing import Any

import pytest
from graph.definitions import edge, issues, node, told

from cairn.graph.nodes import KINDS
from cairn.graph.nodes.code import MAX_CODE
from cairn.graph.validate import ValidationContext

RUN = "def run(input, state):\n    return 1"
SCOPE: dict[str, Any] = {"input": {"text": "Hi", "n": 2}, "state": {"seen": [1]}, "outputs": {}, "execution": {}}


def check(kind: str, context: ValidationContext | None = None, **data: Any):
    return issues([node("s", "start"), node("x", kind, **data), node("z", "end")], [edge("s>x"), edge("x>z")], context)


def errors(kind: str, **data: Any) -> set[tuple[str | None, str]]:
    return {(field, message) for _, _, field, message in told(check(kind, **data))}


def resolve(kind: str, **data: Any) -> Any:
    found = KINDS[kind]
    return found.resolve(found.Data.model_validate({"name": "x", **data}), SCOPE)


@pytest.mark.parametrize(
    "data",
    [
        {"code": RUN},
        {"code": "import math\ndef run(input, state, *, a, b=1, **more): pass", "arguments": {"a": "1", "c": "2"}},
        {"code": "def run(*everything, **named): pass", "arguments": {"a": "input.n"}},
        {"code": "def run(input, state, a, b=None): pass", "arguments": {"a": 1}},
        {"code": "def run(i, s, /, a): pass", "arguments": {"a": [1]}},
    ],
)  # fmt: skip
def test_code_that_can_be_called_is_valid(data: dict[str, Any]) -> None:
    assert check("code", **data) == []


@pytest.mark.parametrize(
    ("data", "field", "message"),
    [
        ({}, "data.code", "Code is required"),
        ({"code": ""}, "data.code", "Code is required"),
        ({"code": "def run(input, state):\n  return ("}, "data.code",
         "Code is not valid Python: '(' was never closed (line 2)"),
        ({"code": "def run(input, state): pass\0"}, "data.code", None),
        ({"code": "x = 1"}, "data.code", "Code must define a function run(input, state)"),
        ({"code": "async def run(input, state): pass"}, "data.code", "Code must define a function run(input, state)"),
        ({"code": "def run(input): pass"}, "data.code",
         "run must take the input and the state as its first two arguments"),
        ({"code": "def run(input, state, a): pass"}, "data.arguments", "run needs the argument 'a'"),
        ({"code": "def run(input, state, *, a): pass"}, "data.arguments", "run needs the argument 'a'"),
        ({"code": RUN, "arguments": {"a": "1"}}, "data.arguments.a", "run has no parameter 'a'"),
        ({"code": "def run(*a, **k): pass", "arguments": {"state": "1"}}, "data.arguments.state",
         "An argument is named like a parameter of run, other than input and state"),
        ({"code": "def run(*a, **k): pass", "arguments": {"a b": "1"}}, "data.arguments.a b",
         "An argument is named like a parameter of run, other than input and state"),
        ({"code": "#" * (MAX_CODE + 1)}, "data.code", "Code: string should have at most 65536 characters"),
        ({"code": "(" * 5000}, "data.code", None),
        ({"code": "x" + ".x" * 30000}, "data.code", None),
        ({"code": "-" * 60000 + "1"}, "data.code", None),
        ({"code": "def run(*a, **k): pass", "arguments": {"a": "1 +"}}, "data.arguments.a", None),
    ],
)  # fmt: skip
def test_code_that_cannot_be_called_is_refused(data: dict[str, Any], field: str, message: str | None) -> None:
    found = errors("code", **data)
    assert (field, message) in found if message else field in {each[0] for each in found}


def test_code_is_parsed_and_never_run() -> None:
    assert check("code", code=f"raise SystemExit\n{RUN}") == []


def test_the_activity_of_code_is_given_input_state_and_arguments() -> None:
    got = resolve("code", code=RUN, arguments={"a": "input.n + 1", "b": 5})
    assert got == {"code": RUN, "input": SCOPE["input"], "state": SCOPE["state"], "arguments": {"a": 3, "b": 5}}


@pytest.mark.parametrize(
    "data",
    [
        {"rubric": "Is it friendly to {{ input.text }}?"},
        {"rubric": [{"name": "Tone"}]},
        {"rubric": [{"name": "A", "description": "{{ text }}", "weight": 2, "min": 1, "max": 5}], "threshold": 0.5},
        {"rubric": [{"name": "A"}, {"name": "B"}], "model": "offline", "max_cost": 0.1, "temperature": 0},
    ],
)
def test_rubrics(data: dict[str, Any]) -> None:
    assert check("score", of="input.text", **data) == []


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"of": "input.text"}, "data.rubric"),
        ({"rubric": "x"}, "data.of"),
        ({"of": "1 +", "rubric": "x"}, "data.of"),
        ({"of": "1", "rubric": ""}, "data.rubric"),
        ({"of": "1", "rubric": []}, "data.rubric"),
        ({"of": "1", "rubric": "{{ x"}, "data.rubric"),
        ({"of": "1", "rubric": [{"name": "A", "description": "{{ x"}]}, "data.rubric.0.description"),
        ({"of": "1", "rubric": [{"name": "A"}, {"name": "A"}]}, "data.rubric"),
        ({"of": "1", "rubric": [{"description": "a"}]}, "data.rubric.0.name"),
        ({"of": "1", "rubric": [{"name": "A", "weight": 0}]}, "data.rubric.0.weight"),
        ({"of": "1", "rubric": [{"name": "A", "wieght": 1}]}, "data.rubric.0.wieght"),
        ({"of": "1", "rubric": [{"name": "A", "min": 5, "max": 5}]}, "data.rubric.0"),
        ({"of": "1", "rubric": "x", "threshold": 2}, "data.threshold"),
    ],
)
def test_rubrics_that_cannot_be_used(data: dict[str, Any], field: str) -> None:
    assert field in {each[0] for each in errors("score", **data)}


def test_a_stored_rubric_is_refused_as_there_are_none() -> None:
    said = "No rubric is stored under the id 'tone-1': write the criteria in rubric"
    assert errors("score", of="input.text", rubric_id="tone-1") == {("data.rubric_id", said)}


def test_the_activity_of_score_is_given_criteria() -> None:
    got = resolve("score", of="input.text", rubric="Is {{ text }} friendly?", threshold=0.5)
    assert got["of"] == "Hi"
    overall = {"name": "overall", "description": "Is Hi friendly?", "weight": 1, "min": 0, "max": 5}
    assert (got["rubric"], got["threshold"]) == ([overall], 0.5)
    (criterion,) = resolve("score", of="1", rubric=[{"name": "A", "description": "{{ input.n }}", "max": 3}])["rubric"]
    assert criterion == {"name": "A", "description": "2", "weight": 1, "min": 0, "max": 3}


def test_a_server_that_is_not_configured_is_warned_of() -> None:
    data = {"server": "files", "tool": "read", "arguments": {"path": "input.text", "limit": 3}}
    assert check("mcp", **data) == []
    assert check("mcp", ValidationContext(known_mcp_servers=frozenset({"files"})), **data) == []
    found = check("mcp", ValidationContext(known_mcp_servers=frozenset()), **data)
    assert told(found) == set()
    assert told(found, "warning") == {("node", "x", "data.server", "Unknown MCP server: 'files'")}


def test_an_mcp_node_needs_a_server_and_a_tool() -> None:
    assert {each[0] for each in errors("mcp", arguments={"a": "nope"})} == {
        "data.server", "data.tool", "data.arguments.a",
    }  # fmt: skip


def test_the_activity_of_mcp_is_given_values() -> None:
    got = resolve("mcp", server="files", tool="read", arguments={"path": "input.text", "limit": 3})
    assert got == {"server": "files", "tool": "read", "arguments": {"path": "Hi", "limit": 3}}
