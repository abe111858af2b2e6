"""How two definitions differ."""

from __future__ import annotations

from graphs import edge, node, sequence

from cairn.graph.difference import Changed, Elements, FieldChange, difference

ONE = {
    **sequence(node("a", "agent", prompt="Greet.", retry={"attempts": 1, "backoff": 2})),
    "limits": {"steps": 5},
    "viewport": {"zoom": 1},
}


def test_the_same_do_not_differ() -> None:
    found = difference(ONE, {**ONE})
    assert found.nodes == found.edges == Elements() and not found.settings and found.viewport is None


def test_what_was_added_removed_and_changed() -> None:
    other = sequence(node("a", "agent", prompt="Say hello.", retry={"attempts": 3, "backoff": 2}), node("b", "wait"))
    other["nodes"][0] = {**other["nodes"][0], "position": {"x": 10, "y": 0}}
    other["edges"][0] = {**other["edges"][0], "data": {"label": "on", "expression": "true"}}
    other["limits"] = {"steps": 5, "tokens": 10}
    found = difference(ONE, other)
    assert found.nodes.added == [other["nodes"][2]] and found.nodes.removed == []
    changes = [FieldChange("data.prompt", "Greet.", "Say hello."), FieldChange("data.retry.attempts", 1, 3)]
    assert found.nodes.changed == [Changed("a", changes)]
    assert found.nodes.moved == [Changed("start", [FieldChange("position.x", 0, 10)])]
    assert [each["id"] for each in found.edges.added] == ["a-b-a-b", "b-end-b-end"]
    assert [each["id"] for each in found.edges.removed] == ["a-end-a-end"]
    changes = [FieldChange("data.label", "start-a", "on"), FieldChange("data.expression", None, "true")]
    assert found.edges.changed == [Changed("start-a-start-a", changes)]
    assert found.settings == [FieldChange("limits.tokens", None, 10)]
    assert found.viewport == FieldChange("viewport", {"zoom": 1}, None)
    back = difference(other, ONE)
    assert back.nodes.removed == found.nodes.added and back.edges.removed == found.edges.added


def test_values_are_compared_as_json_has_them() -> None:
    one, other = ({"nodes": [node("a", "t", on=value, gone=None)]} for value in (True, 1))
    del other["nodes"][0]["data"]["gone"]
    (changed,) = difference(one, other).nodes.changed
    assert [each.field for each in changed.fields] == ["data.on", "data.gone"]


def test_drafts_that_are_wrong_have_a_difference_too() -> None:
    one = {"nodes": [node("a", "t"), node("a", "u")], "edges": [edge("a", "gone")]}
    found = difference(one, {"nodes": [node("a", "t")]})
    assert found.nodes.removed == [one["nodes"][1]] and not found.nodes.changed
    assert found.edges.removed == one["edges"]
    assert difference({}, one).nodes.added == one["nodes"]
