"""Outside events that nobody waits for yet: how many are kept."""

from __future__ import annotations

from graphs import node, sequence
from machine import Machine

from cairn.contracts.executions import OutsideEvent
from cairn.graph import waits


def event(name: str = "other", number: int = 0, payload=None, correlation=None) -> OutsideEvent:
    return OutsideEvent(event_id=f"{name}{number}", lineage="r1", name=name, payload=payload, correlation=correlation)


FULL = [event(number=number) for number in range(waits.INBOX)]


def waiting_for_paid() -> Machine:
    made = Machine(sequence(node("paid", "wait", event={"name": "paid", "correlation": "7"})))
    made.advance()
    return made


def test_there_is_room_until_so_many_are_kept() -> None:
    assert waits.has_room(None, FULL[1:], event("more"))
    assert not waits.has_room(None, FULL, event("more"))


def test_there_is_room_for_so_many_bytes() -> None:
    large = [event(number=number, payload="x" * 1_000_000) for number in range(4)]
    assert waits.has_room(None, large, event(payload="x" * 190_000))
    assert not waits.has_room(None, large, event("more", payload="x" * 200_000))


def test_the_same_event_again_needs_no_room() -> None:
    assert waits.has_room(None, FULL, event(number=5))
    state = waiting_for_paid().state
    state.heard = ["gone0"]
    assert waits.has_room(state, FULL, event("gone"))


def test_what_somebody_waits_for_needs_no_room_but_once() -> None:
    state = waiting_for_paid().state
    assert waits.has_room(state, FULL, event("paid", correlation=7))
    assert not waits.has_room(state, FULL, event("paid", correlation=8))
    assert not waits.has_room(state, [*FULL, event("paid", 1, correlation=7)], event("paid", 2, correlation=7))
