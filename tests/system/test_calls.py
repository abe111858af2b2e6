"""Calls of voice graphs, live, with the offline provider: turns, ways, rollbacks, the end and what follows."""

from __future__ import annotations

import pytest
from installation import Cairn
from phone import dial, lines, pizzeria, tell


@pytest.mark.history("call")
async def test_a_call_goes_from_node_to_node_turn_by_turn(cairn: Cairn) -> None:
    call = await dial(cairn, pizzeria(), {"guest": {"name": "Ada"}})
    assert await lines(cairn, call, 1) == ["agent: Welcome to the pizzeria, Ada!"]
    await tell(cairn, call, "I would like to order")
    await lines(cairn, call, 4)
    await tell(cairn, call, "My name is Grace. I want 2 pizzas with delivery.")
    await lines(cairn, call, 6)
    await tell(cairn, call, "I am finished")
    done = await cairn.reach(call, "completed")
    assert [c.name for c in done.checkpoints] == [
        "start",
        "turn 1: order_pizza",
        "turn 1",
        "turn 2",
        "turn 3: finished",
        "turn 3",
    ]
    assert done.output_data["disposition"] == "completed"
    assert done.output_data["variables"] == {"pizzas": 2, "name": "Grace", "delivery": True}
    assert done.output_data["transcript"][2]["text"] == "One moment."
