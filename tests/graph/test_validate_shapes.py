"""Data that is not of its form: what is said names the author's field, once, and hides nothing else that is wrong."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from graph.definitions import issues

from cairn.graph.nodes import KINDS


def said_of(kind: str, **data: Any) -> list[tuple[str | None, str]]:
    """Return fields and messages of the one node of a graph."""
    return [(i.field, i.message) for i in issues([{"id": "n", "type": kind, "data": data}], []) if i.id == "n"]


def _alternatives(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [each for part in get_args(annotation) for each in _alternatives(part) if each is not NoneType]
    return [annotation]


def _takes_objects(annotation: Any) -> bool:
    return any(get_origin(each) is dict for each in _alternatives(annotation))


UNIONS = [
    (kind.type, field.alias or name)
    for kind in KINDS.values()
    for name, field in kind.Data.model_fields.items()
    if len(_alternatives(field.annotation)) > 1 and not _takes_objects(field.annotation)
]


def test_there_are_unions_to_test() -> None:
    assert {("map", "workflow_id"), ("wait", "seconds"), ("join", "mode"), ("agent", "checkpoint")} <= {*UNIONS}


@pytest.mark.parametrize(("kind", "name"), UNIONS)
def test_an_object_where_a_union_stands_is_said_once_of_the_field(kind: str, name: str) -> None:
    label = name.replace("_", " ").capitalize()
    wrongs: tuple[Any, ...] = ({}, {"no": 1}, {"int": 1, "str": "x", "constrained-str": "x"}, [])
    for wrong in wrongs:
        found = [
            each for each in said_of(kind, name="n", **{name: wrong}) if (each[0] or "").startswith(f"data.{name}")
        ]
        assert len(found) == 1, found
        ((field, message),) = found
        assert field == f"data.{name}"
        assert message.startswith(f"{label}: input should be ") and message.count(label) == 1
        assert "onstrained" not in message and "iteral" not in message


def test_alternatives_are_told_in_one_sentence() -> None:
    assert ("data.workflow_id", "Workflow id: input should be a valid string or a valid integer") in said_of(
        "subgraph", name="n", workflow_id={}
    )
    assert ("data.mode", "Mode: input should be 'all' or 'any' or a valid integer") in said_of(
        "join", name="n", mode={}
    )


WRONG = {
    "agent": ({"prompt": "{{ a"}, "data.prompt"),
    "tool": ({"tool": "calculate", "arguments": {"x": "1 +"}}, "data.arguments.x"),
    "http": ({"method": "GET", "url": "{{ a"}, "data.url"),
    "code": ({"code": "def run(input, state): return 1", "arguments": {"x": "1 +"}}, "data.arguments.x"),
    "mcp": ({"server": "s", "tool": "t", "arguments": {"x": "1 +"}}, "data.arguments.x"),
    "context": ({"variables": "1 +"}, "data.variables"),
    "retrieve": ({"query": "{{ a"}, "data.query"),
    "transform": ({"set": {"x": "1 +"}}, "data.set.x"),
    "map": ({"items": "1 +", "workflow_id": "w"}, "data.items"),
    "subgraph": ({"workflow_id": "w", "input": {"x": "1 +"}}, "data.input.x"),
    "approval": ({"prompt": "{{ a"}, "data.prompt"),
    "question": ({"prompt": "{{ a"}, "data.prompt"),
    "wait": ({"seconds": "1 +"}, "data.seconds"),
    "score": ({"rubric": "short", "of": "1 +"}, "data.of"),
    "end": ({"output": {"x": "1 +"}}, "data.output.x"),
    "startCall": ({"prompt": "p", "greeting": "{{ a"}, "data.greeting"),
    "agentNode": ({"prompt": "p", "extraction_prompt": "{{ a"}, "data.extraction_prompt"),
    "endCall": ({"prompt": "p", "extraction_prompt": "{{ a"}, "data.extraction_prompt"),
    "globalNode": ({"prompt": "{{ a"}, "data.prompt"),
    "webhook": ({"endpoint_url": "{{ a"}, "data.endpoint_url"),
    "qa": ({"qa_system_prompt": "{{ a"}, "data.qa_system_prompt"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_no_field_of_a_wrong_form_hides_what_is_wrong_beside_it(kind: str) -> None:
    data, place = WRONG[kind]
    top = place.split(".")[1]
    for name in KINDS[kind].Data.model_fields.keys() - {top}:
        found = {field for field, _ in said_of(kind, **{"name": "n", **data, name: {"no": [[]]}})}
        assert place in found, name
    many = {**data, "name": 5, "timeout": -1, "retry": 5, "checkpoint": {}}
    assert {place, "data.name", "data.timeout", "data.retry", "data.checkpoint"} <= {
        f for f, _ in said_of(kind, **many)
    }


@pytest.mark.parametrize("others", [{"workflow_id": {}}, {"body": 5}, {"workflow_id": [], "body": []}, {}], ids=str)
def test_the_items_of_a_map_are_checked_whatever_it_runs(others: dict[str, Any]) -> None:
    found = said_of("map", name="n", items="1 +", **others)
    assert "data.items" in {field for field, _ in found}
    assert {f"data.{name}" for name in others} <= {field for field, _ in found}
    rule = ("data", "A map has exactly one of workflow_id and body")
    assert (rule in found) == (len(others) != 1)


def test_a_wait_for_two_things_is_told_of_both_and_of_itself() -> None:
    found = said_of("wait", name="n", seconds="1 +", until="2 +", compensate={"tool": "t"})
    assert ("data", "A wait has exactly one of seconds, until and event") in found
    assert {"data.seconds", "data.until"} <= {field for field, _ in found}
