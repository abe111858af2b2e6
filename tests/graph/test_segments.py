"""Segments without any server: what their activity runs, and what the engine takes of it."""

from __future__ import annotations

from copy import deepcopy

import pytest
from graphs import edge, node, noting, sequence
from machine import NOW, Machine

from cairn.contracts.executions import DoneWork, GraphRef, NodeFailure, Usage
from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import RUN_SEGMENT, RUN_TOOL, NodeResult
from cairn.graph import segments, step
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


def beside(after: JsonObject) -> JsonObject:
    """Two models in one branch, a tool and another node in the other."""
    ask, more = node("ask", "agent", prompt="?"), node("more", "agent", prompt="!")
    nodes = [node("start", "start"), node("fan", "parallel"), ask, more, noting("tool"), after]
    ways = [("ask", "more"), ("more", "meet"), ("tool", "after"), ("after", "meet"), ("meet", "end")]
    return {
        "nodes": [*nodes, node("meet", "join"), node("end", "end")],
        "edges": [
            *[edge("start", "fan"), edge("fan", "ask", "left"), edge("fan", "tool", "right")],
            *[edge(source, target) for source, target in ways],
        ],
        "durability": "segment",
    }


def brought(m: Machine, run: Run) -> NodeResult:
    """Return what the activity of a segment gives."""
    segment = Segment(m.graph, deepcopy(run.data))
    while (inside := segment.next()) is not None:
        segment.complete(inside, NodeResult(value=inside.node_id))
    done = [work.model_dump(mode="json", exclude_none=True) for work in segment.done]
    return NodeResult(value={"done": done, "checkpoint": segment.checkpoint, "node_id": segment.last})


def test_its_end_is_gone_through_alone_and_what_is_ready_beside_it_stays() -> None:
    m = Machine(beside(node("after", "wait", seconds=3600)))
    m.state.engine = 9
    (segment, tool), _ = step.advance(m.graph, m.state, LINE)
    assert isinstance(segment, Run)
    step.complete(m.graph, m.state, tool.key, NodeResult(value=1))
    step.complete(m.graph, m.state, segment.key, brought(m, segment))
    segments.go_through(m.graph, m.state)
    assert m.state.outputs == {"start": {}, "tool": 1, "ask": "ask", "more": "more"}
    assert ([token.node_id for token in m.state.ready], m.state.in_flight) == (["after", "meet"], {})


@pytest.mark.parametrize(("engine", "again"), [(9, []), (8, [RUN_SEGMENT.name])])
def test_what_is_kept_of_one_that_a_reset_parked_is_not_done_again(engine: int, again: list[str]) -> None:
    m = Machine(beside(noting("after")))
    m.state.engine = engine
    (segment, _), _ = step.advance(m.graph, m.state, LINE)
    assert isinstance(segment, Run)
    for each in brought(m, segment).value["done"]:
        work = DoneWork.model_validate(each)
        m.state.done[f"{work.node_id}#{work.visit}"] = work
    redone = step.redo(m.graph, m.state, segment.key, LINE)
    works, _ = step.advance(m.graph, m.state, LINE)
    assert [work.activity for work in [redone, *works] if isinstance(work, Run)] == again
    assert ("more" in m.state.outputs) == (not again)
