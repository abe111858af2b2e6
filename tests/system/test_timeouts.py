"""Timeouts of children and of waits, live: they end what takes too long, and lead on by the edge for it."""

from __future__ import annotations

import pytest
from graphs import edge, node, noting, sequence, waiting
from installation import Cairn, until
from system.test_children import children

from cairn.settings import Settings


def guarded(*nodes: dict) -> dict:
    """The nodes one after the other: the way of a timeout of each leads to the next, by way of a note of it."""
    last = node("end", "end", output={"done": "true"})
    made = {"nodes": [node("start", "start"), *nodes, last], "edges": [edge("start", nodes[0]["id"])]}
    for here, after in zip(nodes, (*nodes[1:], last), strict=True):
        late = noting(f"late {here['id']}")
        made["nodes"].append(late)
        made["edges"] += [
            edge(here["id"], after["id"]),
            edge(here["id"], late["id"], on="timeout"),
            edge(late["id"], after["id"]),
        ]
    return made


@pytest.mark.history("child_timeout")
async def test_a_child_that_takes_too_long_is_cancelled_and_the_way_of_a_timeout_is_taken(cairn: Cairn, world) -> None:
    below = await cairn.publish(sequence(waiting("gate"), noting("never")))
    execution = await cairn.run(
        guarded(
            node("sub", "subgraph", workflow_id=below, timeout=0.5),
            node("each", "map", items="[1, 2]", body=sequence(waiting("gate"), noting("never")), timeout=0.5),
            node("nap", "wait", seconds=3600, timeout=0.1),
        )
    )
    done = await cairn.reach(execution.id, "completed")
    assert world.of(execution.id) == ["late sub", "late each", "late nap"]

    async def ended() -> bool:
        found = await children(cairn, execution.id)
        return [each.status for each in found] == ["cancelled"] * 3

    await until(ended)
    assert done.children is not None
    assert set(done.children) == {"sub", "each"}
    await cairn.reset(execution.id, "replay", "start")
    await cairn.reach(execution.id, "completed")
    assert world.of(execution.id) == ["late sub", "late each", "late nap"] * 2
    assert not world.effects("never")


class TestManyRuns:
    """Over continued runs."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"history_limit": 20})

    async def test_the_deadline_of_a_child_is_kept_over_runs(self, cairn: Cairn, world) -> None:
        below = await cairn.publish(sequence(waiting("gate")))
        graph = {
            "state": {"n": {"reducer": "sum", "default": 0}},
            "nodes": [
                node("start", "start"),
                node("fan", "parallel"),
                node("sub", "subgraph", workflow_id=below, timeout=3),
                noting("late"),
                node("one", "transform", set={"n": "1"}),
                noting("step"),
                node("more", "condition"),
                node("meet", "join"),
                node("end", "end"),
            ],
            "edges": [
                edge("start", "fan"),
                edge("fan", "sub", "sub"),
                edge("sub", "meet"),
                edge("sub", "late", on="timeout"),
                edge("late", "meet"),
                edge("fan", "one", "count"),
                edge("one", "step"),
                edge("step", "more"),
                edge("more", "one", "again", expression="state.n < 12"),
                edge("more", "meet", "done"),
                edge("meet", "end"),
            ],
        }
        execution = await cairn.run(graph)
        first = (await cairn.temporal.require(execution.id)).run_id
        done = await cairn.reach(execution.id, "completed")
        assert (await cairn.temporal.require(execution.id)).run_id != first
        assert sorted(set(world.of(execution.id))) == ["late", "step"]
        assert [c.name for c in done.checkpoints].count("late") == 1
        await until(lambda: world.cancelled["gate"])
