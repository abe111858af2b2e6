"""Calls of voice graphs, stepped by hand: turns, ways, tools, silence, the end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from machine import NOW
from phone import pizzeria, say, speaker
from stepped_call import Phone

from cairn.contracts.executions import OutsideEvent
from cairn.graph import call_events
from cairn.graph.state import ExecutionState, Run

HOOK = speaker("hook", "webhook", endpoint_url="https://x.example")


def test_the_greeting_needs_no_work_and_then_the_caller_is_listened_to() -> None:
    p = Phone(pizzeria(), {"guest": {"name": "Ada"}}, max_user_idle_timeout=7)
    assert p.go() == []
    assert p.lines == ["agent: Welcome to the pizzeria, Ada!"]
    assert p.deadlines() == {"duration": NOW + timedelta(seconds=300), "utterance": NOW + timedelta(seconds=7)}
    assert p.hear("Hello?") == ["hello"]
    data = p.under_way().data
    assert (data["heard"], data["unsaid"], data["history"]) == ("Hello?", ["Welcome to the pizzeria, Ada!"], None)
    assert data["transitions"] == [
        {"name": "order_pizza", "description": "The caller wants to order"},
        {"name": "reserve_table", "description": "The caller wants a reservation"},
    ]
    assert "You are at hello." in data["system"]
    assert p.under_way().checkpoint == "turn 1"
    assert p.said("Hi.") == []
    assert p.deadlines()["utterance"] == p.now + timedelta(seconds=7)


def test_texts_know_the_variables_of_the_configuration_that_the_context_does_not_say() -> None:
    known = {"place": "Da Carlo", "guest": {"name": "somebody"}, "input": "nothing"}
    p = Phone(pizzeria(), {"guest": {"name": "Ada"}}, template_context_variables=known)
    p.go()
    assert p.lines == ["agent: Welcome to Da Carlo, Ada!"]
    other = Phone(pizzeria(), template_context_variables=known)
    other.go()
    assert other.lines == ["agent: Welcome to Da Carlo, somebody!"]


def test_without_a_greeting_the_model_speaks_first() -> None:
    graph = pizzeria()
    del graph["nodes"][0]["data"]["greeting"]
    p = Phone(graph)
    assert p.go() == ["hello"]
    assert p.under_way().data["heard"] is None
    assert p.under_way().checkpoint == "turn 0"


def ordering() -> Phone:
    """A caller who has come to the order."""
    p = Phone(pizzeria())
    p.go()
    p.hear("I want to order")
    assert p.said("Fine.", "order_pizza", "reserve_table") == ["order"]
    return p


def test_a_way_that_the_model_chooses_is_spoken_of_and_the_next_node_speaks() -> None:
    p = ordering()
    assert p.lines[-2:] == ["agent: Fine.", "agent: One moment."]
    data = p.under_way().data
    assert data["heard"] is None
    assert data["unsaid"] == ["One moment."]
    assert data["results"] == [
        {"id": "id_order_pizza", "tool": "order_pizza", "value": {"status": "done"}},
        {"id": "id_reserve_table", "tool": "reserve_table", "error": "the call went another way"},
    ]
    assert p.said("What would you like?") == []
    assert p.hear("Two pizzas") == ["order"]
    assert p.under_way().data["results"] == []


def test_utterances_that_come_early_wait_for_their_turn() -> None:
    p = ordering()
    assert p.hear("Two") == []
    assert p.hear("with cheese") == []
    assert p.said("What would you like?") == ["order"]
    assert p.under_way().data["heard"] == "Two"
    assert p.said("Two of which?") == ["order"]
    assert p.under_way().data["heard"] == "with cheese"
    assert [each.turn for each in p.call.transcript if each.role == "caller"] == [1, 2, 3]


@pytest.mark.parametrize("payload", [None, {}, {"text": "  "}, {"text": 5}, 7, []])
def test_an_utterance_without_words_is_none(payload) -> None:
    p = Phone(pizzeria())
    p.go()
    p.state.inbox.append(OutsideEvent(event_id="x", lineage="", name="utterance", payload=payload))
    assert p.go() == []
    assert p.state.inbox == []
    assert p.call.turn == 0


def test_values_are_extracted_when_the_node_is_left_and_texts_see_them() -> None:
    graph = pizzeria()
    graph["nodes"][3]["data"]["prompt"] = (
        "Thank {{ name | the guest }} for {{ pizzas }} pizzas, {{ gathered_context.name }}."
    )
    p = Phone(graph)
    p.go()
    p.hear("I want to order")
    p.said("", "order_pizza")
    p.said("What?")
    p.hear("Two for Ada")
    assert p.said("", "finished") == ["order: extraction"]
    run = p.under_way()
    assert run.data["output_schema"]["properties"] == {
        "pizzas": {"type": "number", "description": "how many"},
        "name": {"type": "string"},
        "delivery": {"type": "boolean"},
    }
    assert "Caller: Two for Ada" in run.data["prompt"]
    assert run.checkpoint is None
    assert p.brought({"pizzas": 2, "name": "Ada", "delivery": None}) == ["bye"]
    assert p.call.variables == {"pizzas": 2, "name": "Ada"}
    assert p.state.values == {"pizzas": 2, "name": "Ada"}
    assert "Thank Ada for 2 pizzas, Ada." in p.under_way().data["system"]
    assert p.state.outputs["order"]["variables"] == {"pizzas": 2, "name": "Ada"}


def test_an_extraction_that_fails_does_not_lose_the_call() -> None:
    p = ordering()
    p.said("What?")
    p.hear("Two")
    p.said("", "finished")
    assert p.broke("rate_limited") == ["bye"]
    assert p.call.problems[0]["code"] == "rate_limited"


def test_an_end_call_says_its_line_and_ends() -> None:
    p = ordering()
    p.said("What?", "finished")
    assert p.said("Goodbye!") == []
    assert p.state.ended
    assert p.state.failure is None
    assert p.state.output["disposition"] == "completed"
    assert p.state.output["transcript"][-1] == {"role": "agent", "text": "Goodbye!"}


def test_expressions_decide_before_the_model_and_silently() -> None:
    graph = pizzeria()
    graph["edges"].insert(0, say("hello", "table", "vip", expression="input.vip"))
    p = Phone(graph, {"vip": True})
    assert p.go() == ["table"]
    assert p.lines == ["agent: Welcome to the pizzeria, dear guest!"]
    p = Phone(graph, {"vip": False})
    p.go()
    p.hear("Hi")
    assert "vip" not in [each["name"] for each in p.under_way().data["transitions"]]


def test_an_expression_over_a_value_that_is_not_there_yet_does_not_hold() -> None:
    graph = pizzeria()
    graph["edges"].insert(0, say("order", "bye", "enough", expression="state.pizzas > 1"))
    p = Phone(graph)
    p.go()
    p.hear("I want to order")
    assert p.said("", "order_pizza") == ["order"]
    p.said("How many?")
    p.state.values["pizzas"] = 3
    p.hear("Three")
    assert [work.run.summary for work in p.state.in_flight.values() if isinstance(work.run, Run)] == [
        "order: extraction"
    ]
    p.brought({})
    assert p.under_way().summary == "bye"
    assert p.under_way().data["heard"] == "Three"


def test_silence_ends_the_call() -> None:
    p = Phone(pizzeria(), max_user_idle_timeout=10)
    p.go()
    assert p.go(9) == []
    assert p.call.disposition is None
    p.go(2)
    assert p.state.ended
    assert p.state.output["disposition"] == "user_idle_max_duration_exceeded"


def test_the_caller_is_not_silent_while_the_model_thinks() -> None:
    p = Phone(pizzeria(), max_user_idle_timeout=10)
    p.go()
    p.hear("Hi")
    p.go(60)
    assert p.call.disposition is None
    p.said("Sorry.")
    assert p.deadlines()["utterance"] == p.now + timedelta(seconds=10)


def test_a_call_that_takes_too_long_ends_even_while_the_model_thinks() -> None:
    p = Phone(pizzeria(), max_call_duration=30, call_disposition_codes={"call_duration_exceeded": "LONG"})
    p.go()
    p.hear("Hi")
    p.go(31)
    assert p.state.ended
    assert p.state.output["disposition"] == "LONG"


def test_the_caller_hangs_up_and_what_they_said_before_is_kept() -> None:
    p = Phone(pizzeria())
    p.go()
    p.hear("Hi")
    p.state.inbox.append(OutsideEvent(event_id="u", lineage="", name="utterance", payload={"text": "forget it"}))
    p.state.inbox.append(OutsideEvent(event_id="h", lineage="", name="hangup"))
    p.go(1)
    assert p.state.ended
    assert p.state.output["disposition"] == "user_hangup"
    assert p.lines[-1] == "caller: forget it"


def test_a_pause_takes_no_time_of_the_call() -> None:
    p = Phone(pizzeria(), max_user_idle_timeout=10, max_call_duration=100)
    p.go()
    p.hear("Hi", after=5)
    p.said("Hello.")
    before = p.deadlines()
    call_events.hold(p.state)
    p.state = ExecutionState.load(p.state.dump())
    p.go(3600)
    assert p.call.disposition is None
    assert p.deadlines() == {
        "duration": before["duration"] + timedelta(seconds=3600),
        "utterance": p.now + timedelta(seconds=10),
    }


def test_the_model_that_fails_for_good_fails_the_call_or_takes_the_error_edge() -> None:
    p = Phone(pizzeria())
    p.go()
    p.hear("Hi")
    p.broke("model_config")
    assert p.state.failure.code == "model_config"
    assert p.state.output["disposition"] == "failed"
    graph = pizzeria()
    graph["edges"].append(
        {**say("hello", "bye", "trouble"), "data": {"label": "trouble", "condition": "x", "on": "error"}}
    )
    p = Phone(graph)
    p.go()
    p.hear("Hi")
    assert [each["name"] for each in p.under_way().data["transitions"]] == ["order_pizza", "reserve_table"]
    assert p.broke("model_config") == ["bye"]
    assert p.under_way().data["heard"] == "Hi"


def test_tools_are_work_of_their_own_and_the_model_hears_of_them_before_a_way_is_taken() -> None:
    p = Phone(pizzeria(tool_uuids=["look", "pay"]))
    p.go()
    p.hear("Hi")
    assert p.under_way().data["tools"] == ["look", "pay"]
    assert p.said("Let me see.", tools=("look", "pay")) == ["hello: look", "hello: pay"]
    assert p.under_way().checkpoint == "turn 1: pay"
    p.broke("planned")
    assert p.brought(5) == ["hello"]
    assert p.under_way().data["results"] == [
        {"id": "id_look", "tool": "look", "value": 5},
        {"id": "id_pay", "tool": "pay", "error": "it broke"},
    ]
    p.said("", "order_pizza", tools=("look",))
    assert p.brought(6) == ["order"]
    assert [each["tool"] for each in p.under_way().data["results"]] == ["order_pizza", "look"]


def test_a_tool_is_given_what_it_reads_of_the_call() -> None:
    p = Phone(pizzeria(tool_uuids=["look"]), {"guest": {"name": "Ada"}}, template_context_variables={"city": "Berlin"})
    p.go()
    p.hear("Hi")
    state, names = p.state, ["guest", "city", "pizzas", "gathered_context", "no_such"]
    state.values["pizzas"] = p.call.variables["pizzas"] = 3
    asked = {"id": "1", "tool": "look", "arguments": {"n": 1}, "names": names}
    plain = {"id": "2", "tool": "echo", "arguments": {}}
    p.brought({"history": "h", "text": "", "calls": [asked, plain], "transitions": []})
    look, echo = [work.run.data for work in state.in_flight.values() if isinstance(work.run, Run)]
    given = {"guest": {"name": "Ada"}, "city": "Berlin", "pizzas": 3, "gathered_context": {"pizzas": 3}}
    assert look == {"tool": "look", "arguments": {"n": 1}, "given": given}
    assert echo == {"tool": "echo", "arguments": {}}


def test_a_model_that_only_calls_tools_fails() -> None:
    p = Phone(pizzeria(tool_uuids=["look"]))
    p.go()
    p.hear("Hi")
    for _ in range(20):
        p.said("", tools=("look",))
        p.brought(1)
    assert p.state.failure.code == "max_turns"


def test_a_delayed_start_waits_before_the_greeting() -> None:
    p = Phone(pizzeria(delayed_start=True, delayed_start_duration=3))
    p.go()
    assert p.lines == []
    assert p.deadlines() == {"delay": NOW + timedelta(seconds=3)}
    p.go(3)
    assert len(p.lines) == 1
    assert p.call.began_at == p.now


@pytest.mark.parametrize(
    ("mode", "number", "fetches"),
    [
        ("always", None, True),
        ("disabled", None, False),
        ("inbound", None, True),
        ("inbound", "+4930", False),
        ("outbound", "+4930", True),
    ],
)
def test_what_is_fetched_before_the_call_is_known_to_all_texts(mode: str, number: str | None, fetches: bool) -> None:
    fetch = {"pre_call_fetch_mode": mode, "pre_call_fetch_url": "https://crm.example/{{ kind }}"}
    p = Phone(pizzeria(**fetch), {"kind": "guests", "phone_number": number})
    assert p.go() == (["hello: fetch"] if fetches else [])
    if not fetches:
        return
    data = p.under_way().data
    assert (data["method"], data["url"]) == ("POST", "https://crm.example/guests")
    assert data["body"]["event"] == f"call_{'outbound' if number else 'inbound'}"
    p.brought({"status": 200, "body": {"initial_context": {"guest": {"name": "Eve"}}}})
    assert p.lines == ["agent: Welcome to the pizzeria, Eve!"]


@pytest.mark.parametrize("body", ["no", None, [], {}])
def test_a_fetch_that_brings_nothing_does_not_lose_the_call(body) -> None:
    p = Phone(pizzeria(pre_call_fetch_mode="always", pre_call_fetch_url="https://crm.example"))
    p.go()
    p.brought({"status": 200, "body": body})
    assert p.lines == ["agent: Welcome to the pizzeria, dear guest!"]
    assert p.call.problems


def test_a_fetch_that_fails_does_not_lose_the_call() -> None:
    p = Phone(pizzeria(pre_call_fetch_mode="always", pre_call_fetch_url="https://crm.example"))
    p.go()
    p.broke("connection_error")
    assert p.lines == ["agent: Welcome to the pizzeria, dear guest!"]


def test_other_nodes_may_stand_between() -> None:
    graph = pizzeria({"id": "note", "type": "transform", "data": {"name": "note", "set": {"noted": "input.n + 1"}}})
    graph["edges"][0]["target"] = "note"
    graph["edges"].append(say("note", "order", "on"))
    p = Phone(graph, {"n": 1})
    p.go()
    p.hear("I want to order")
    assert p.said("", "order_pizza") == ["order"]
    assert p.state.values["noted"] == 2


def test_a_graph_that_ends_elsewhere_ends_the_call() -> None:
    graph = pizzeria({"id": "stop", "type": "end", "data": {"name": "stop", "output": {"n": "input.n"}}}, HOOK)
    graph["edges"][0]["target"] = "stop"
    p = Phone(graph, {"n": 1})
    p.go()
    p.hear("I want to order")
    assert p.said("", "order_pizza") == ["hook"]
    p.brought({"status": 200})
    assert p.state.ended
    assert (p.state.output["n"], p.state.output["disposition"]) == (1, "completed")


def test_an_end_call_extracts_from_the_whole_call() -> None:
    graph = pizzeria()
    graph["nodes"][3]["data"] |= {
        "extraction_enabled": True,
        "extraction_variables": [{"name": "mood", "type": "string"}],
    }
    p = Phone(graph)
    p.go()
    p.hear("Reserve a table")
    p.said("", "reserve_table")
    p.said("", "finished")
    assert p.said("Bye!") == ["bye: extraction"]
    p.brought({"mood": "good"})
    assert p.state.ended
    assert p.state.output["variables"] == {"mood": "good"}
