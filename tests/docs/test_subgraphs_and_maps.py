"""The guide to subgraphs and maps: its graphs are run as they stand, and what it names exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

from graphs import node, sequence
from installation import Cairn

from cairn.domain.executions.model import ExecutionFilter
from cairn.graph.children import MAX_DEPTH
from cairn.graph.nodes.map import MAX_ITEMS, MapData
from cairn.graph.validate_body import MAX_NESTING
from workflows.work import MAP_CHUNK

GUIDE = (Path(__file__).parents[2] / "docs" / "subgraphs-and-maps.md").read_text()


EACH, LOOK_UP, ASKING = re.findall(r"^```json graph\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


async def test_its_map_runs(cairn: Cairn) -> None:
    execution = await cairn.run(json.loads(EACH), {"topics": ["heartbeats", "retries", ""], "limit": 2})
    done = await cairn.reach(execution.id, "completed")
    first, second, third = done.output_data["found"]
    assert (first["value"]["number"], second["value"]["topic"]) == (0, "retries")
    assert third["error"]["code"] == "invalid_arguments"


async def test_its_two_graphs_run_one_in_the_other(cairn: Cairn) -> None:
    below = await cairn.publish(json.loads(LOOK_UP))
    asking = await cairn.publish(json.loads(ASKING.replace("LOOK_UP", below)))
    known = await cairn.start(asking, {"question": "heartbeats"})
    unknown = await cairn.start(asking, {"question": "xyzzy"})
    assert (await cairn.reach(known.id, "completed")).output_data == {"read": "Heartbeats and leases"}
    told = (await cairn.reach(unknown.id, "completed")).output_data
    assert told["read"] == "nothing" and "Nothing is known of xyzzy" in told["because"]


def test_its_limits_are_those_of_the_code() -> None:
    assert f"at most {MAX_ITEMS:,} items" in GUIDE
    assert f"chunks of {MAP_CHUNK}," in GUIDE
    assert MAX_DEPTH == 10 and "At ten executions deep" in GUIDE
    assert MAX_NESTING == 8 and "up to eight deep" in GUIDE
    assert f"| `concurrency` | {MapData.model_fields['concurrency'].default} |" in GUIDE


async def test_a_replay_of_one_item_keeps_the_others(cairn: Cairn, world) -> None:
    body = sequence(node("n", "tool", tool="note", arguments={"entry": "item"}))
    graph = sequence(node("each", "map", items="input.words", body=body, on_error="collect"))
    world.failing.add("bad")
    execution = await cairn.run(graph, {"words": ["good", "bad"]})
    await cairn.reach(execution.id, "completed")
    world.failing.clear()
    async with cairn.executions() as service:
        page = await service.list(ExecutionFilter(parent_execution_id=execution.id, status="failed"), 1, 10)
    await cairn.reset(page.items[0].id, "replay", "start")
    await cairn.reach(execution.id, "completed")
    assert [len(world.effects(entry)) for entry in ("good", "bad")] == [1, 1]
