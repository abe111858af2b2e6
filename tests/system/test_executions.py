"""Graphs run to their end on a real Temporal server."""

from __future__ import annotations

import json

import pytest
from graphs import edge, node, noting, sequence, waiting
from installation import Cairn, until

from cairn.domain.executions.model import ExecutionFilter
from cairn.graph.nodes import KINDS
from cairn.graph.nodes.voice import VOICE_KINDS


@pytest.mark.history("sequence")
async def test_a_sequence_runs_each_node_once_and_completes(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(noting("a"), noting("b")), {"q": 1})
    done = await cairn.reach(execution.id, "completed")
    assert [what for what, _ in world.ledger] == ["a", "b"]
    assert done.output_data == {"done": True}
    assert [c.name for c in done.checkpoints] == ["start", "a", "b"]
    assert all(c.resettable for c in done.checkpoints)
    assert done.revision == 0


async def test_a_condition_takes_the_first_edge_that_holds(cairn: Cairn, world) -> None:
    graph = {
        "nodes": [node("start", "start"), node("if", "condition"), noting("big"), noting("small"), node("end", "end")],
        "edges": [
            edge("start", "if"),
            edge("if", "big", "big", expression="input.n > 10"),
            edge("if", "small", "else"),
            edge("big", "end"),
            edge("small", "end"),
        ],
    }
    workflow = await cairn.publish(graph)
    for n in (11, 3):
        await cairn.reach((await cairn.start(workflow, {"n": n})).id, "completed")
    assert [what for what, _ in world.ledger] == ["big", "small"]


@pytest.mark.history("loop")
async def test_a_loop_goes_round_until_its_condition_ends_it(cairn: Cairn, world) -> None:
    graph = {
        "state": {"n": {"reducer": "sum", "default": 0}},
        "nodes": [
            node("start", "start"),
            noting("body"),
            node("count", "transform", set={"n": 1}),
            node("more", "condition"),
            node("end", "end", output={"n": "state.n"}),
        ],
        "edges": [
            edge("start", "body"),
            edge("body", "count"),
            edge("count", "more"),
            edge("more", "body", "again", expression="state.n < 3"),
            edge("more", "end", "enough"),
        ],
    }
    execution = await cairn.run(graph)
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"n": 3}
    assert [key.split("/")[2] for key in world.effects("body")] == ["1", "2", "3"]
    assert [c.name for c in done.checkpoints] == ["start", "body", "body", "body"]


@pytest.mark.history("parallel")
async def test_branches_run_side_by_side_and_meet_at_the_join(cairn: Cairn, world) -> None:
    graph = {
        "nodes": [
            node("start", "start"),
            node("fan", "parallel"),
            waiting("left"),
            waiting("right"),
            node("meet", "join"),
            node("end", "end", output={"both": "outputs.meet"}),
        ],
        "edges": [
            edge("start", "fan"),
            edge("fan", "left", "l"),
            edge("fan", "right", "r"),
            edge("left", "meet"),
            edge("right", "meet"),
            edge("meet", "end"),
        ],
    }
    execution = await cairn.run(graph)
    await until(lambda: world.waiting["left"] and world.waiting["right"])
    world.gate("right").set()
    await until(lambda: world.effects("right"))
    world.gate("left").set()
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"both": {"l": "left", "r": "right"}}


@pytest.mark.history("failure")
async def test_a_failing_node_fails_the_execution_with_node_attempt_and_cause(cairn: Cairn, world) -> None:
    world.failing.add("b")
    execution = await cairn.run(sequence(noting("a"), noting("b")))
    failed = await cairn.reach(execution.id, "failed")
    assert failed.error["node_id"] == "b"
    assert failed.error["code"] == "planned"
    assert failed.error["attempt"] == 1
    assert "b is failing" in failed.error["message"]
    assert [c.name for c in failed.checkpoints] == ["start", "a"]


@pytest.mark.history("error_edge")
async def test_an_error_edge_handles_a_failure(cairn: Cairn, world) -> None:
    world.failing.add("b")
    graph = sequence(noting("b"), noting("after"))
    graph["nodes"].append(noting("repair"))
    graph["edges"] += [edge("b", "repair", "broken", on="error"), edge("repair", "end")]
    execution = await cairn.run(graph)
    await cairn.reach(execution.id, "completed")
    assert [what for what, _ in world.ledger] == ["repair"]


async def test_no_edge_to_take_fails_and_names_the_node(cairn: Cairn) -> None:
    graph = sequence(noting("a"))
    graph["edges"][1]["data"]["expression"] = "input.go == true"
    execution = await cairn.run(graph, {"go": False})
    failed = await cairn.reach(execution.id, "failed")
    assert failed.error["code"] == "no_edge"
    assert failed.error["node_id"] == "a"


@pytest.mark.history("visit_limit")
async def test_over_the_visit_limit_an_execution_pauses_and_a_resume_grants_it_again(cairn: Cairn, world) -> None:
    graph = {
        "nodes": [node("start", "start"), noting("body", max_visits=2), node("end", "end")],
        "edges": [
            edge("start", "body"),
            edge("body", "body", "again", expression="execution.visits.body < 3"),
            edge("body", "end", "enough"),
        ],
    }
    execution = await cairn.run(graph)
    paused = await cairn.reach(execution.id, "paused")
    assert "2 visits" in paused.status_detail
    assert len(world.effects("body")) == 2
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")
    assert len(world.effects("body")) == 3


@pytest.mark.history("pause")
async def test_pause_keeps_what_is_in_flight_and_stops_before_the_next_node(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(waiting("a"), noting("b")))
    await until(lambda: world.waiting["a"])
    async with cairn.executions() as service:
        paused = await service.pause(execution.id)
    async with cairn.executions() as service:
        again = await service.pause(execution.id)
    assert (paused.status, paused.revision) == ("paused", 1)
    assert again.revision == 1
    world.gate("a").set()
    await until(lambda: world.effects("a"))
    kept = await until(lambda: _with_checkpoint(cairn, execution.id, "a"))
    assert kept.status == "paused"
    assert not world.effects("b")
    async with cairn.executions() as service:
        await service.resume(execution.id)
    await cairn.reach(execution.id, "completed")


async def _with_checkpoint(cairn: Cairn, execution_id: str, name: str):
    now = await cairn.get(execution_id)
    return now if name in [c.name for c in now.checkpoints] else None


@pytest.mark.history("cancel")
async def test_cancel_ends_the_execution_and_what_is_in_flight(cairn: Cairn, world) -> None:
    execution = await cairn.run(sequence(waiting("a"), noting("b")))
    await until(lambda: world.waiting["a"])
    async with cairn.executions() as service:
        await service.cancel(execution.id)
    cancelled = await cairn.reach(execution.id, "cancelled")
    assert cancelled.output_data is None
    await until(lambda: world.cancelled["a"])
    async with cairn.executions() as service:
        assert (await service.cancel(execution.id)).status == "cancelled"


async def test_large_payloads_leave_history(cairn: Cairn) -> None:
    graph = sequence(node("big", "tool", tool="large", arguments={"kilobytes": "500"}))
    graph["nodes"][-1]["data"]["output"] = {"size": "size(outputs.big.text)"}
    execution = await cairn.run(graph)
    done = await cairn.reach(execution.id, "completed")
    assert done.output_data == {"size": 500 * 1024}
    description = await cairn.client.get_workflow_handle(execution.id).describe()
    assert description.raw_description.workflow_execution_info.history_size_bytes < 64 * 1024


async def test_output_that_breaks_its_schema_fails(cairn: Cairn) -> None:
    graph = sequence(noting("a"), output_schema={"type": "object", "required": ["answer"]})
    execution = await cairn.run(graph)
    failed = await cairn.reach(execution.id, "failed")
    assert failed.error["code"] == "output_schema"


async def test_history_reads_like_the_graph(cairn: Cairn, world) -> None:
    """What each kind of work is called in Temporal's Web UI: as its author called the node."""
    below = await cairn.publish(sequence(noting("x")))
    once = {"max_attempts": 1}
    data = {
        "tool": {"tool": "note", "arguments": {"entry": "'x'"}},
        "http": {"url": "http://127.0.0.1:9/", "retry": once},  # nobody listens
        "mcp": {"server": "none", "tool": "none", "retry": once},
        "code": {"code": "def run(input, state): return 1"},
        "score": {"of": "1", "rubric": "good"},
        "context": {},
        "retrieve": {"query": "hi"},
        "agent": {"prompt": "hi"},
        "subgraph": {"workflow_id": below},
        "map": {"items": "[1]", "workflow_id": below},
        "wait": {"seconds": 0.01},
        "approval": {"prompt": "?", "timeout": 0.01, "on_timeout": "late"},
        "question": {"prompt": "?", "timeout": 0.01, "on_timeout": "late"},
    }
    assert data.keys() == {name for name, kind in KINDS.items() if kind.works and kind not in VOICE_KINDS}
    nodes = [node(kind, kind, **{"name": f"The {kind}", **of}) for kind, of in data.items()]
    graph = sequence(*nodes)
    after = {each["source"]: each["target"] for each in graph["edges"]}
    graph["edges"] += [edge(failing, after[failing], "broken", on="error") for failing in ("http", "mcp")]
    graph["edges"] += [edge(late, after[late], "late", on="timeout") for late in ("approval", "question")]
    execution = await cairn.run(graph)
    await cairn.reach(execution.id, "completed")
    said: dict[str, list[str]] = {}
    for event in (await cairn.history(execution.id)).events:
        if event.user_metadata.HasField("summary"):
            of_event = said.setdefault(event.WhichOneof("attributes") or "", [])
            of_event.append(json.loads(event.user_metadata.summary.data))
    work = said["activity_task_scheduled_event_attributes"]
    assert {f"The {name}" for name in ("tool", "http", "mcp", "code", "score", "context", "retrieve", "agent")} <= set(
        work
    )
    assert {"open The approval", "open The question"} <= set(work)
    assert said["start_child_workflow_execution_initiated_event_attributes"] == ["The subgraph", "The map"]
    assert said["timer_started_event_attributes"] == ["The wait", "The approval", "The question"]
    async with cairn.executions() as service:
        children = (await service.list(ExecutionFilter(parent_execution_id=execution.id), 1, 10)).items
    described = [await cairn.client.get_workflow_handle(each.id).describe() for each in children]
    assert {await each.static_summary() for each in described} == {"The subgraph", "The map [0]"}
