"""The guide to calls: its commands are run as they stand, and its figures are those of the code."""

from __future__ import annotations

import pytest
from guided import ROOT, run, steps_of

from cairn.cli.demo.installation import Installation
from cairn.graph import call_events
from cairn.graph.calls import begin
from cairn.graph.compiled import compile_graph
from cairn.graph.transitions import transition_name

GUIDE = (ROOT / "docs" / "voice-calls.md").read_text()


@pytest.mark.timeout(300)
def test_every_command_prints_what_stands_below_it(installation: Installation) -> None:
    guide = steps_of(GUIDE)
    assert len(guide) == 6
    run(guide, installation, 200)


def test_the_figures_and_names_are_those_of_the_code() -> None:
    start = {"id": "s", "type": "startCall", "data": {"name": "s", "prompt": "x"}}
    call = begin(compile_graph({"nodes": [start], "edges": []}), {"max_call_duration": 5000})
    assert call is not None
    assert (call.idle_timeout, call.max_duration) == (10, 1200)
    assert "seconds (10)" in GUIDE
    assert "(300, at most 1,200)" in GUIDE
    for disposition in (call_events.IDLE, call_events.TOO_LONG, call_events.HUNG_UP):
        assert f"`{disposition}`" in GUIDE
    assert transition_name("Order pizza!") == "order_pizza_"
