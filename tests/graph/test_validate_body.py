"""Inline definitions: what is wrong with them is said of the node that holds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graph.definitions import edge, issues, node, told

from cairn.graph.model import Definition, GraphIssue
from cairn.graph.validate import validate
from cairn.graph.validate_body import MAX_NESTING, body_issues


def test_a_valid_body_has_no_issues() -> None:
    body = {"nodes": [node("s", "start"), node("z", "end")], "edges": [edge("s>z")]}
    assert list(body_issues("each", body, validate)) == []


def test_fields_lead_into_the_body() -> None:
    broken = node("t", "transform", set={"x": "1 +"})
    body = {"nodes": [node("s", "start"), broken, node("z", "end")], "edges": [edge("s>t"), edge("t>z")]}
    found = list(body_issues("each", body, validate))
    assert {(i.kind, i.id, i.field) for i in found} == {("node", "each", "data.body.nodes.t.data.set.x")}


def test_what_is_missing_of_the_whole_is_said_of_the_body() -> None:
    found = told(list(body_issues("each", {"nodes": [], "edges": []}, validate)))
    assert {(kind, id, field) for kind, id, field, _ in found} == {("node", "each", "data.body")}


def test_a_body_that_is_no_definition_says_where() -> None:
    found = list(body_issues("each", {"nodes": [{"type": 5}], "edges": "none"}, validate))
    assert {i.field for i in found} == {"data.body.nodes.0.id", "data.body.nodes.0.type", "data.body.edges"}


def test_nesting_ends_somewhere() -> None:
    def nested(depth: int) -> dict[str, Any]:
        inner = {"body": nested(depth - 1)} if depth else {}
        return {"nodes": [node("s", "start"), node("m", "map", **inner)], "edges": []}

    def check(definition: Definition, depth: int = 1) -> Iterator[GraphIssue]:
        for each in definition.nodes:
            if "body" in each.data:
                yield from body_issues(each.id, each.data["body"], lambda inner: check(inner, depth + 1), nesting=depth)

    assert list(check(Definition.model_validate(nested(MAX_NESTING)))) == []
    (found,) = check(Definition.model_validate(nested(50)))
    assert found.message == f"Inline definitions are nested more than {MAX_NESTING} deep"


def test_the_body_of_a_map_is_checked_with_its_graph() -> None:
    inner = node("t", "transform", set={"x": "item + index", "y": "nothing"})
    body = {"nodes": [node("s", "start"), inner, node("z", "end")], "edges": [edge("s>t"), edge("t>z")]}
    each = node("each", "map", items="[1]", body=body)
    found = issues([node("s", "start"), each, node("z", "end")], [edge("s>each"), edge("each>z")])
    assert {(i.kind, i.id, i.field) for i in found} == {("node", "each", "data.body.nodes.t.data.set.y")}


def test_items_are_unknown_outside_of_a_body() -> None:
    outside = node("t", "transform", set={"x": "item"})
    (found,) = issues([node("s", "start"), outside, node("z", "end")], [edge("s>t"), edge("t>z")])
    assert found.field == "data.set.x"
