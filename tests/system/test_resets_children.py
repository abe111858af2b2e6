"""Children that were at work at a checkpoint, and what has become of them when their parent goes back to it."""

from __future__ import annotations

import pytest
from graphs import node, noting, sequence, waiting
from installation import Cairn, until
from system.test_children import children
from system.test_resets_combined import branches, command, settled

from cairn.domain.executions.model import Execution

UNDO = {"tool": "note", "arguments": {"entry": "'undo ' + result.entry"}}
BODY = sequence(noting("paid", compensate=UNDO), waiting("deep"), noting("x"))


async def begun(cairn: Cairn, world, child: str) -> Execution:
    """Run a child, or a map of one item, beside two gates, of which the first is the checkpoint."""
    kinds = {"map": node("sub", "map", items="['p']", body=BODY)}
    if child == "subgraph":
        kinds["subgraph"] = node("sub", "subgraph", workflow_id=await cairn.publish(BODY))
    execution = await cairn.run(branches([waiting("g1"), waiting("g2")], [kinds[child]]))
    await until(lambda: world.waiting["g1"] and world.waiting["deep"])
    world.gate("g1").set()
    await settled(cairn, execution.id, "g1")
    return execution


@pytest.mark.parametrize("child", ["subgraph", "map"])
async def test_a_child_that_failed_after_the_checkpoint_is_undone_and_started_anew(
    cairn: Cairn, world, child: str
) -> None:
    execution = await begun(cairn, world, child)
    world.failing.add("x")
    world.gate("deep").set()
    await cairn.reach(execution.id, "failed")
    world.failing.clear()
    await cairn.reset(execution.id, "rollback", "g1")
    assert len(world.effects("undo paid")) == 1
    await command(cairn, "resume", execution.id)
    world.gate("g2").set()
    await cairn.reach(execution.id, "completed")
    assert [len(world.effects(entry)) for entry in ("paid", "x", "undo paid")] == [2, 1, 1]
    assert sorted(each.status for each in await children(cairn, execution.id)) == ["completed", "failed"]


async def test_a_child_that_fails_after_the_reset_fails_its_node(cairn: Cairn, world) -> None:
    execution = await begun(cairn, world, "subgraph")
    await cairn.reset(execution.id, "rollback", "g1")
    await command(cairn, "resume", execution.id)
    world.failing.add("x")
    world.gate("deep").set()
    failed = await cairn.reach(execution.id, "failed")
    assert failed.error is not None
    assert (failed.error["code"], failed.error["node_id"]) == ("planned", "sub")
    assert (len(world.effects("paid")), len(world.effects("undo paid"))) == (1, 0)
