"""Resets and forks around segments that are under way in another branch."""

from __future__ import annotations

import pytest
from graphs import node, sequence, waiting
from installation import Cairn, until
from pydantic import SecretStr
from servers.openai_server import KEY, OpenAIServer, text
from system.test_lineage import forked
from system.test_resets_combined import branches, command, settled, waits_at
from system.test_segments import asking

from cairn.domain.executions.model import Execution
from cairn.settings import Settings


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    return settings.model_copy(update={"openai_base_url": server.url, "openai_api_key": SecretStr(KEY)})


async def begun(cairn: Cairn, world, server: OpenAIServer, after: dict) -> Execution:
    """Run a segment of two models, of which the first thinks, beside a gate and a node after it."""
    server.will(text("1"), text("2"))
    server.answering.clear()
    graph = branches([waiting("gate"), after], [asking("a"), asking("b")], durability="segment")
    execution = await cairn.run(graph, {"query": "?"})
    await until(lambda: world.waiting["gate"] and server.requests)
    return execution


@pytest.mark.parametrize("after", ["map", "time"])
async def test_a_fork_at_the_end_of_a_segment_leaves_other_branches_where_they_stood(
    cairn: Cairn, server: OpenAIServer, world, after: str
) -> None:
    body = sequence(node("n", "tool", tool="note", arguments={"entry": "'item ' + item"}))
    kinds = {"map": node("after", "map", items="['p']", body=body), "time": node("after", "wait", seconds=3600)}
    execution = await begun(cairn, world, server, kinds[after])
    await command(cairn, "pause", execution.id)
    world.gate("gate").set()
    await settled(cairn, execution.id, "gate")
    server.answering.set()
    await settled(cairn, execution.id, "b")
    other = await forked(cairn, execution.id, checkpoint_name="b")
    if after == "map":
        await cairn.reach(other.id, "completed")
        assert len(world.effects("item p")) == 1
    else:
        wait = await until(lambda: waits_at(cairn, other.id, "after"))
        assert wait.deadline > execution.created_at
        await command(cairn, "cancel", other.id)


@pytest.mark.history("segment_kept_beside")
async def test_what_a_segment_brought_beside_the_checkpoint_is_kept(cairn: Cairn, server: OpenAIServer, world) -> None:
    execution = await begun(cairn, world, server, waiting("after"))
    world.gate("gate").set()
    await settled(cairn, execution.id, "gate")
    server.answering.set()
    await settled(cairn, execution.id, "b")
    world.gate("after").set()
    done = await cairn.reach(execution.id, "completed")
    server.will(text("3"), text("4"))
    await cairn.reset(execution.id, "replay", "gate")
    assert (await cairn.reach(execution.id, "completed")).output_data == done.output_data
    assert server.requests == []
