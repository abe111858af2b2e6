"""Child executions over the API: below their parent, and not among those that callers started."""

from __future__ import annotations

from graphs import node, noting, sequence
from served import Caller


async def test_children_are_listed_below_their_parent_alone(caller: Caller, world) -> None:
    started = await caller.start(
        sequence(node("each", "map", items="input.items", body=sequence(noting("n")))), input_data={"items": [1, 2, 3]}
    )
    done = await caller.reach(started["id"], "completed")
    assert done["children"] == {
        "each": {"total": 3, "waiting": 0, "running": 0, "paused": 0, "completed": 3, "failed": 0, "cancelled": 0}
    }
    everything = (await caller.http.get("/api/v1/executions")).json()
    assert [item["id"] for item in everything["items"]] == [done["id"]]
    below = (await caller.http.get("/api/v1/executions", params={"parent_execution_id": done["id"]})).json()
    assert below["total"] == 3
    assert {item["parent_execution_id"] for item in below["items"]} == {done["id"]}
    child = await caller.get(below["items"][0]["id"])
    assert (child["status"], child["children"], child["output_data"]) == ("completed", {}, {"done": True})


async def test_children_of_others_cannot_be_listed(caller: Caller, world, callers) -> None:
    started = await caller.start(sequence(node("each", "map", items="[1]", body=sequence(noting("n")))))
    await caller.reach(started["id"], "completed")
    stranger = await callers.new()
    theirs = (await stranger.http.get("/api/v1/executions", params={"parent_execution_id": started["id"]})).json()
    assert theirs["items"] == []


async def test_items_are_given_what_they_read_of_the_input_and_not_the_whole_list(caller: Caller, world) -> None:
    tool = node("n", "tool", tool="note", arguments={"entry": "item.name + input.mark"})
    given = {"items": [{"name": name} for name in "abc"], "mark": "!", "more": "x" * 1000}
    graph = sequence(node("each", "map", items="input.items", body=sequence(tool)))
    started = await caller.start(graph, input_data=given)
    await caller.reach(started["id"], "completed")
    assert sorted(what for what, _ in world.ledger) == ["a!", "b!", "c!"]
    below = (await caller.http.get("/api/v1/executions", params={"parent_execution_id": started["id"]})).json()
    children = [await caller.get(each["id"]) for each in below["items"]]
    assert [each["input_data"] for each in children] == [{"mark": "!"}] * 3
