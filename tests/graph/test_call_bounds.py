"""How long calls and their pauses are at most, whatever their configuration and their graph say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from machine import NOW
from phone import pizzeria
from stepped_call import Phone


@pytest.mark.parametrize(
    ("said", "seconds"), [(1200, 1200), (1201, 1200), (10**9, 1200), (1, 1), (0, 300), (True, 300), ("60", 300)]
)
def test_no_call_is_longer_than_twenty_minutes(said: object, seconds: int) -> None:
    p = Phone(pizzeria(), max_call_duration=said, max_user_idle_timeout=3600)
    p.go()
    assert p.deadlines()["duration"] == NOW + timedelta(seconds=seconds)
    p.go(seconds)
    assert p.call.disposition == "call_duration_exceeded"


@pytest.mark.parametrize("duration", [{}, {"delayed_start_duration": None}])
def test_a_delayed_start_without_a_duration_takes_two_seconds(duration: dict[str, None]) -> None:
    p = Phone(pizzeria(delayed_start=True, **duration))
    p.state.engine = 4
    p.go()
    assert (p.lines, p.deadlines()) == ([], {"delay": NOW + timedelta(seconds=2)})
    p.go(2)
    assert len(p.lines) == 1
    # Calls that began under earlier rules do not begin to wait in the middle.
    p = Phone(pizzeria(delayed_start=True, **duration))
    p.go()
    assert len(p.lines) == 1
