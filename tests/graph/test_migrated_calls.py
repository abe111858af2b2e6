"""Calls that go on by another version of their graph, which has other edges and other nodes after the call."""

from __future__ import annotations

import pytest
from phone import pizzeria, speaker
from stepped_call import Phone

from cairn.errors import Conflict
from cairn.graph.migrate import check_migration


def renamed(*more: dict) -> dict:
    """The same conversation by edges of other ids and labels."""
    graph = pizzeria(*more)
    edges = [{**edge, "id": f"{edge['id']} new", "data": {**edge["data"], "label": "new"}} for edge in graph["edges"]]
    return {**graph, "edges": edges}


def migrate(call: Phone, definition: dict) -> None:
    call.graph = check_migration(call.state, call.graph, definition)


def test_a_way_that_went_while_the_model_was_asked_is_told_to_the_model() -> None:
    p = Phone(pizzeria())
    p.go()
    p.hear("I want to order")
    migrate(p, renamed())
    assert p.said("", "order_pizza") == ["hello"]
    data = p.under_way().data
    told = {"id": "id_order_pizza", "tool": "order_pizza", "error": "there is no such way any more"}
    assert data["results"] == [told]
    assert {each["name"] for each in data["transitions"]} == {"new"}


def test_a_call_that_is_leaving_needs_the_edge() -> None:
    p = Phone(pizzeria())
    p.go()
    p.hear("I want to order")
    p.said("", "order_pizza")
    p.said("How many?")
    p.hear("Three")
    assert p.said("", "finished") == ["order: extraction"]
    with pytest.raises(Conflict) as refused:
        migrate(p, renamed())
    assert (refused.value.code, refused.value.extra) == ("edge_gone", {"edge_id": "order>bye:finished"})
    migrate(p, pizzeria())
    assert p.brought({"pizzas": 3}) == ["bye"]


def test_what_was_to_follow_the_call_and_is_gone_does_not_follow() -> None:
    review = speaker("review", "qa", qa_min_call_duration=0)
    hook = speaker("hook", "webhook", endpoint_url="https://x.example")
    p = Phone(pizzeria(review, hook))
    p.go()
    assert p.hear(None, "hangup") == ["review"]
    migrate(p, pizzeria(review))
    assert p.brought({"summary": "Short.", "tags": []}) == []
    assert p.call.finished
