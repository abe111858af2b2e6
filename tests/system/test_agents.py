"""Agents with tools, live: each call an activity and a checkpoint, people asked, a replay from between the turns."""

from __future__ import annotations

import pytest
from graphs import node, sequence
from installation import Cairn, until
from people import answer, asked
from pydantic import SecretStr
from servers.openai_server import KEY, OpenAIServer, text, tool_calls

from cairn.settings import Settings


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    """The offline provider is the default still."""
    told = {"openai_base_url": server.url, "openai_api_key": SecretStr(KEY)}
    return settings.model_copy(update=told)


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


async def test_two_calls_of_one_reply_are_under_way_at_once(cairn: Cairn, world, server: OpenAIServer) -> None:
    server.will(tool_calls(("wait_at", {"gate": "one"}), ("wait_at", {"gate": "two"})), text("Both are open."))
    ask = node("ask", "agent", prompt="Open both.", tools=["wait_at"], model="openai:gpt-4o-mini", output="said")
    execution = await cairn.run(sequence(ask, node("end", "end", output={"said": "state.said"})))
    await until(lambda: world.waiting["one"] and world.waiting["two"])
    world.gate("two").set()
    await until(lambda: world.effects("two"))
    assert not world.effects("one")
    world.gate("one").set()
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"said": "Both are open."}
    assert (len(world.effects("one")), len(world.effects("two"))) == (1, 1)
    results = [message["content"] for message in server.requests[-1]["messages"] if message["role"] == "tool"]
    assert results == ["one", "two"]  # in the order in which it asked
    assert [c.name for c in done.checkpoints] == ["start", "ask: wait_at", "ask: wait_at", "ask"]
