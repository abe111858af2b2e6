"""Tool nodes whose call a person approves, live: asked, answered with other arguments, replayed."""

from __future__ import annotations

import pytest
from graphs import node, sequence
from installation import Cairn
from people import answer, asked


def paying(**data) -> dict:
    graph = sequence(
        node("pay", "tool", tool="note", arguments={"entry": "'five'"}, require_approval=True, output="paid", **data)
    )
    graph["nodes"][-1]["data"]["output"] = {"paid": "state.paid"}
    return graph


@pytest.mark.history("tool_approval")
async def test_the_call_is_made_once_a_person_has_agreed(cairn: Cairn, world) -> None:
    execution = await cairn.run(paying())
    request = await asked(cairn, execution.id)
    assert not world.ledger
    await answer(cairn, execution.id, request, {"decision": "approved", "modified_arguments": {"entry": "four"}})
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"paid": {"entry": "four", "value": None}}
    assert [each.name for each in done.checkpoints] == ["start", "pay"]
    assert world.of(execution.id) == ["four"]


async def test_after_a_replay_people_are_asked_anew(cairn: Cairn, world) -> None:
    execution = await cairn.run(paying())
    await answer(cairn, execution.id, await asked(cairn, execution.id), {"decision": "approved"})
    await cairn.reach(execution.id, "completed")
    await cairn.reset(execution.id, "replay", "start")
    await answer(cairn, execution.id, await asked(cairn, execution.id), {"decision": "denied"})
    failed = await cairn.reach(execution.id, "failed")
    assert failed.error["code"] == "denied"
    assert world.of(execution.id) == ["five"]


async def test_an_approval_in_vain_ends_the_node(cairn: Cairn, world) -> None:
    execution = await cairn.run(paying(approval_timeout=0.5))
    failed = await cairn.reach(execution.id, "failed")
    assert failed.error["code"] == "timeout"
    assert not world.ledger
