"""Agents with tools, live: each call an activity and a checkpoint, people asked, a replay from between the turns."""

from __future__ import annotations

import pytest
from graphs import node, sequence
from installation import Cairn
from people import answer, asked


def helper(**data) -> dict:
    graph = sequence(
        node("ask", "agent", prompt="What is 2 + 3? Use calculate.", tools=["calculate"], output="said", **data)
    )
    graph["nodes"][-1]["data"]["output"] = {"said": "state.said"}
    return graph


@pytest.mark.history("agent_tools")
async def test_each_call_is_work_of_its_own(cairn: Cairn) -> None:
    execution = await cairn.run(helper())
    done = await cairn.reach(execution.id, "completed")
    assert [c.name for c in done.checkpoints] == ["start", "ask: calculate", "ask"]
    assert "5" in done.output_data["said"]


@pytest.mark.history("agent_approval")
async def test_a_replay_from_a_call_goes_on_with_the_turns_before_it(cairn: Cairn) -> None:
    execution = await cairn.run(helper(require_approval=["calculate"]))
    await answer(cairn, execution.id, await asked(cairn, execution.id), {"decision": "approved"})
    done = await cairn.reach(execution.id, "completed")
    await cairn.reset(execution.id, "replay", "ask: calculate")
    again = await cairn.reach(execution.id, "completed")
    assert again.output_data == done.output_data
    assert [c.id for c in again.checkpoints[:2]] == [c.id for c in done.checkpoints[:2]]
