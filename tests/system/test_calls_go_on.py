"""Calls that go on in new runs, after a pause, or as a fork."""

from __future__ import annotations

import pytest
from installation import Cairn
from phone import call_of, dial, lines, pizzeria, tell
from system.test_lineage import forked

from cairn.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Continue after few events."""
    return settings.model_copy(update={"history_limit": 25})


async def test_a_long_call_goes_on_in_new_runs_and_is_told_once(cairn: Cairn) -> None:
    call = await dial(cairn, pizzeria())
    await lines(cairn, call, 1)
    for turn in range(1, 6):
        await tell(cairn, call, f"Number {turn}")
        await lines(cairn, call, 1 + 2 * turn)
    await tell(cairn, call, "", name="hangup")
    done = await cairn.reach(call, "completed")
    assert [c.name for c in done.checkpoints or ()] == ["start", *(f"turn {n}" for n in range(1, 6))]
    assert len({c.run_id for c in done.checkpoints or ()}) > 1
    async with cairn.executions() as service:
        events = [event async for event in await service.events(call)]
    told = [line["text"] for event in events if event.type == "transcript" for line in event.data["lines"]]
    assert told == [line["text"] for line in done.output_data["transcript"]]
    assert len(told) == 11


async def test_a_fork_of_a_call_goes_on_from_its_turn(cairn: Cairn) -> None:
    call = await dial(cairn, pizzeria(), max_user_idle_timeout=600)
    await lines(cairn, call, 1)
    await tell(cairn, call, "I want to order")
    await lines(cairn, call, 4)
    await tell(cairn, call, "I am finished")
    await cairn.reach(call, "completed")
    other = await forked(cairn, call, checkpoint_name="turn 1")
    await tell(cairn, other.id, "3 pizzas")
    assert (await lines(cairn, other.id, 6))[4] == "caller: 3 pizzas"
    found = await call_of(cairn, other.id)
    assert found.token.node_id == "order"
    await tell(cairn, other.id, "", name="hangup")
    done = await cairn.reach(other.id, "completed")
    assert done.output_data["variables"] == {"pizzas": 3}
