"""Joins, live: what they collect of branches that fail."""

from __future__ import annotations

import pytest
from graphs import edge, node, noting
from installation import Cairn


@pytest.mark.history("join_collect")
async def test_a_join_that_collects_has_the_failures_of_its_branches(cairn: Cairn, world) -> None:
    world.failing.add("bad")
    branches = ["bad", "good"]
    execution = await cairn.run(
        {
            "nodes": [
                node("start", "start"),
                node("fan", "parallel"),
                *[noting(name) for name in branches],
                node("meet", "join", on_error="collect"),
                noting("after"),
                node("end", "end", output={"all": "outputs.meet"}),
            ],
            "edges": [
                edge("start", "fan"),
                *[e for name in branches for e in (edge("fan", name, name), edge(name, "meet"))],
                edge("meet", "after"),
                edge("after", "end"),
            ],
        }
    )
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data["all"]["bad"]["error"]["code"] == "planned"
    assert done.output_data["all"]["good"]["entry"] == "good"
    assert sorted(world.of(execution.id)) == ["after", "good"]
