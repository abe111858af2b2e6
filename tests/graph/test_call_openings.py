"""Calls stepped by hand: which way they are made, and what is played instead of spoken."""

from __future__ import annotations

import pytest
from phone import pizzeria
from stepped_call import Phone

NUMBER = "+4930123"


def played(p: Phone) -> list[tuple[str, str | None]]:
    return [(said.text, said.recording_id) for said in p.call.transcript if said.role == "agent"]


@pytest.mark.parametrize(
    ("mode", "context", "told"),
    [
        ("always", {"direction": "inbound", "phone_number": NUMBER}, {"from_number": NUMBER}),
        ("inbound", {"direction": "inbound", "phone_number": NUMBER}, {"from_number": NUMBER}),
        ("outbound", {"direction": "inbound", "phone_number": NUMBER}, None),
        ("outbound", {"direction": "outbound"}, {"from_number": None, "to_number": None}),
        ("inbound", {"direction": "outbound"}, None),
        ("outbound", {"phone_number": NUMBER}, {"from_number": None, "to_number": NUMBER}),
    ],
)
def test_the_context_says_which_way_a_call_is_made(mode: str, context: dict, told: dict | None) -> None:
    p = Phone(pizzeria(pre_call_fetch_mode=mode, pre_call_fetch_url="https://crm.example"), context)
    assert p.go() == (["hello: fetch"] if told is not None else [])
    if told is None:
        assert p.lines == ["agent: Welcome to the pizzeria, dear guest!"]
        return
    event = f"call_{context.get('direction', 'outbound')}"
    told = {"execution_id": "e", "agent_id": "w", **told}
    assert p.under_way().data["body"] == {"event": event, event: told, "initial_context": context}


def test_a_greeting_that_is_played() -> None:
    p = Phone(pizzeria(greeting_type="audio", greeting_recording_id="welcome"))
    assert p.go() == []  # the caller is listened to
    assert played(p) == [("", "welcome")]
    assert p.hear("Hello?") == ["hello"]
    assert p.under_way().data["unsaid"] == []  # the model knows no words that it said


def test_a_greeting_to_be_played_without_a_recording_leaves_the_first_word_to_the_model() -> None:
    p = Phone(pizzeria(greeting_type="audio"))
    assert p.go() == ["hello"]
    assert played(p) == []


@pytest.mark.parametrize(("kind", "line"), [("audio", ("", "jingle")), ("text", ("One moment.", None))])
def test_what_is_played_on_the_way(kind: str, line: tuple[str, str | None]) -> None:
    graph = pizzeria()
    graph["edges"][0]["data"] |= {"transition_speech_type": kind, "transition_speech_recording_id": "jingle"}
    p = Phone(graph)
    p.go()
    p.hear("I want to order")
    assert p.said("Gladly!", "order_pizza") == ["order"]
    assert played(p)[1:] == [("Gladly!", None), line]
    assert p.under_way().data["unsaid"] == ([line[0]] if line[0] else [])


def test_a_node_may_do_without_the_global_prompt() -> None:
    everywhere = {"id": "g", "type": "globalNode", "data": {"name": "g", "prompt": "Be kind."}}
    for wanted in (True, False):
        p = Phone(pizzeria(everywhere, add_global_prompt=wanted))
        p.go()
        p.hear("Hi")
        assert ("Be kind." in p.under_way().data["system"]) is wanted


def test_what_an_author_asks_of_an_extraction_reaches_the_model() -> None:
    graph = pizzeria()
    graph["nodes"][1]["data"]["extraction_prompt"] = "Count whole pizzas for {{ who | everyone }}."
    p = Phone(graph, {"who": "Ada"})
    p.go()
    p.hear("I want to order")
    p.said("", "order_pizza")
    p.said("What?")
    p.hear("Two")
    assert p.said("", "finished") == ["order: extraction"]
    assert p.under_way().data["system"].endswith("Count whole pizzas for Ada.")
