"""Segments without any server: what their activity runs, and what the engine takes of it."""

from __future__ import annotations

from copy import deepcopy

import pytest
from graphs import node, noting, sequence
from machine import NOW, Machine

from cairn.contracts.executions import GraphRef, NodeFailure, Usage
from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import RUN_SEGMENT, RUN_TOOL, NodeResult
from cairn.graph import step
from cairn.graph.segments import Segment
from cairn.graph.state import Run

LINE = step.Line(NOW, "run1", "exec_1", GraphRef(workflow_id="w", version_id=1, version=1, digest="d"))


@pytest.mark.parametrize(("engine", "requests"), [(4, 3), (3, 0)])
def test_what_a_node_used_before_it_failed_counts(engine: int, requests: int) -> None:
    m = Machine(sequence(node("ask", "agent", prompt="?"), durability="segment"))
    m.state.engine = engine
    works, _ = step.advance(m.graph, m.state, LINE)
    run = works[0]
    assert isinstance(run, Run)
    segment = Segment(m.graph, deepcopy(run.data))  # an activity is given a copy
    inside = segment.next()
    assert inside is not None
    spent = Usage(requests=3, cost=0.4)
    segment.fail(inside, NodeFailure(code="model_behavior", message="no", node_id="ask", usage=spent))
    done = [work.model_dump(mode="json", exclude_none=True) for work in segment.done]
    step.complete(m.graph, m.state, run.key, NodeResult(value={"done": done, "checkpoint": None, "node_id": "ask"}))
    step.advance(m.graph, m.state, LINE)
    assert m.state.failure is not None
    assert m.state.failure.code == "model_behavior"
    assert m.state.usage.requests == requests


@pytest.mark.parametrize(
    ("engine", "data", "activity"),
    [
        (6, {"repeatable": True}, RUN_SEGMENT.name),
        (6, {}, RUN_TOOL.name),
        (6, {"repeatable": True, "compensate": {"tool": "undo"}}, RUN_TOOL.name),
        (5, {"repeatable": True}, RUN_TOOL.name),
    ],
)
def test_a_tool_is_in_one_when_it_may_be_called_again(engine: int, data: JsonObject, activity: str) -> None:
    m = Machine(sequence(noting("t", **data), durability="segment"))
    m.state.engine = engine
    (run,), _ = step.advance(m.graph, m.state, LINE)
    assert isinstance(run, Run)
    assert run.activity == activity
