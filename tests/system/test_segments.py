"""``durability: segment``: the results of step by step, fewer checkpoints, and a retry that goes on where it was."""

from __future__ import annotations

import pytest
from graphs import edge, node, noting, sequence
from installation import Cairn, until
from pydantic import SecretStr
from servers.openai_server import KEY, OpenAIServer, error, text

from cairn.settings import Settings

MODEL = "openai:gpt-4o-mini"


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer) -> Settings:
    return settings.model_copy(update={"openai_base_url": server.url, "openai_api_key": SecretStr(KEY)})


def asking(node_id: str, **data) -> dict:
    return node(node_id, "agent", prompt=f"{node_id}: {{{{ query }}}}", model=MODEL, output=node_id, **data)


def thinking(durability: str, **last) -> dict:
    """Three models in a row with a transform and a condition between, a tool, and one more model."""
    graph = sequence(
        asking("a"),
        node("keep", "transform", set={"kept": "state.a"}),
        asking("b"),
        node("either", "condition"),
        asking("c"),
        noting("t"),
        asking("d", **last),
        durability=durability,
    )
    graph["nodes"][-1]["data"]["output"] = {k: f"state.{k}" for k in ("a", "kept", "b", "c", "d")}
    return graph


def prompts(server: OpenAIServer) -> list[str]:
    return [request["messages"][-1]["content"].split(":")[0] for request in server.requests]


@pytest.mark.history("segment")
async def test_it_gives_the_same_as_step_by_step_with_checkpoints_at_the_ends(
    cairn: Cairn, server: OpenAIServer, world
) -> None:
    server.will(text("1"), text("2"), text("3"), text("4"))
    execution = await cairn.run(thinking("segment"), {"query": "why?"})
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"a": "1", "kept": "1", "b": "2", "c": "3", "d": "4"}
    assert [(c.name, c.node_id) for c in done.checkpoints] == [("start", None), ("c", "c"), ("t", "t"), ("d", "d")]
    assert done.usage["requests"] == 4
    server.will(text("1"), text("2"), text("3"), text("4"))
    (recorded,) = cairn.started
    stepwise = await cairn.reach((await cairn.run(thinking("step"), {"query": "why?"})).id, "completed")
    cairn.started[:] = [recorded]
    assert (stepwise.output_data, stepwise.usage) == (done.output_data, done.usage)
    assert len(stepwise.checkpoints) == 6


async def test_a_try_that_failed_goes_on_at_the_node_that_failed(cairn: Cairn, server: OpenAIServer, world) -> None:
    server.will(text("1"), error(500), text("2"), text("3"), text("4"))
    graph = thinking("segment")
    graph["nodes"][3]["data"]["retry"] = {"initial_interval": 0.01}
    execution = await cairn.run(graph, {"query": "?"})
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data["b"] == "2"
    assert prompts(server) == ["a", "b", "b", "c", "d"]


async def test_the_policy_of_the_node_that_fails_counts(cairn: Cairn, server: OpenAIServer) -> None:
    server.will(text("1"), error(500))
    graph = thinking("segment")
    graph["nodes"][3]["data"]["retry"] = {"initial_interval": 0.01, "max_attempts": 2}
    execution = await cairn.run(graph, {"query": "?"})
    failed = await cairn.reach(execution.id, "failed")
    assert (failed.error["node_id"], failed.error["attempt"]) == ("b", 2)
    assert prompts(server) == ["a", "b", "b"]


async def test_an_error_edge_leads_out_of_a_segment(cairn: Cairn, server: OpenAIServer, world) -> None:
    server.will(text("1"), error(400), text("4"))
    graph = thinking("segment")
    graph["nodes"].append(noting("repair"))
    graph["edges"] += [edge("b", "repair", on="error"), edge("repair", "end")]
    graph["nodes"][-2]["data"]["output"] = {"a": "state.a"}
    execution = await cairn.run(graph, {"query": "?"})
    assert (await cairn.reach(execution.id, "completed")).output_data == {"a": "1"}
    assert world.of(execution.id) == ["repair"]


async def test_a_node_with_a_named_checkpoint_ends_a_segment_and_can_be_replayed_from(
    cairn: Cairn, server: OpenAIServer, world
) -> None:
    graph = thinking("segment")
    graph["nodes"][1]["data"]["checkpoint"] = "first"
    server.will(text("1"), text("2"), text("3"), text("4"))
    execution = await cairn.run(graph, {"query": "?"})
    done = await cairn.reach(execution.id, "completed")
    assert [c.name for c in done.checkpoints] == ["start", "first", "c", "t", "d"]
    server.will(text("22"), text("33"), text("44"))
    await cairn.reset(execution.id, "replay", "first")
    again = await cairn.reach(execution.id, "completed")
    assert again.output_data == {"a": "1", "kept": "1", "b": "22", "c": "33", "d": "44"}


async def test_a_worker_that_stops_in_the_middle_hands_on_what_has_ended(
    idle_cairn: Cairn, server: OpenAIServer, world
) -> None:
    cairn = idle_cairn
    execution = await cairn.run(thinking("segment"), {"query": "?"})
    server.will(text("1"), text("2"))
    async with cairn.worker() as first:
        await until(lambda: len(server.requests) >= 1)
        server.answering.clear()
        await until(lambda: len(server.requests) >= 2)
        first._config["graceful_shutdown_timeout"] = None
    server.answering.set()
    server.will(text("2"), text("3"), text("4"))
    async with cairn.worker():
        done = await cairn.reach(execution.id, "completed")
    assert done.output_data["a"] == "1"
    assert "a" not in prompts(server)


def tallying(node_id: str, **data) -> dict:
    return node(node_id, "tool", tool="tally", arguments={"entry": f"'{node_id}'"}, repeatable=True, **data)


@pytest.mark.history("segment-of-tools")
async def test_tools_that_may_be_called_again_are_in_it(cairn: Cairn, world) -> None:
    graph = sequence(tallying("a"), noting("n"), tallying("b"), tallying("c"), durability="segment")
    execution = await cairn.run(graph)
    done = await cairn.reach(execution.id, "completed")
    assert [(c.name, c.node_id) for c in done.checkpoints] == [("start", None), ("a", "a"), ("n", "n"), ("c", "c")]
    assert world.of(execution.id) == ["a", "n", "b", "c"]


async def test_a_tool_is_told_which_try_of_its_call_it_is(cairn: Cairn, world) -> None:
    world.failing |= {"b", "c"}
    often = {"retry": {"initial_interval": 0.01}}
    nodes = (tallying("a", output="a"), tallying("b", output="b", **often), tallying("c", output="c", **often))
    end = node("end", "end", output={name: f"state.{name}" for name in "abc"})
    execution = await cairn.run(sequence(*nodes, end, durability="segment"))
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"a": 1, "b": 2, "c": 2}
    assert world.of(execution.id) == ["a", "b", "c"]


async def test_a_tool_that_may_not_be_called_again_is_not_called_in_it(cairn: Cairn, world) -> None:
    """Its module may have changed since the graph was published."""
    execution = await cairn.run(sequence(noting("n", repeatable=True), durability="segment"))
    failed = await cairn.reach(execution.id, "failed")
    assert (failed.error["code"], failed.error["node_id"]) == ("not_repeatable", "n")
    assert world.of(execution.id) == []
