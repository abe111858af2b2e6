"""Several things that happen in one turn, of which one takes the ground from under another."""

from __future__ import annotations

from datetime import timedelta

from graphs import edge, node, noting, sequence
from machine import NOW, Machine, diamond

from cairn.contracts.children import STOPPED
from cairn.contracts.executions import ExecutionInput, GraphRef, NodeFailure, Resume
from cairn.contracts.nodes import NodeResult
from cairn.contracts.operations import Landing
from cairn.graph import step
from cairn.graph.compiled import compile_graph
from cairn.graph.engine import Engine
from cairn.graph.state import Child, Run

REF = GraphRef(workflow_id="w", version_id=1, version=1, digest="d")


def engine(definition: dict, history_limit: int | None = None) -> Engine:
    start = ExecutionInput(execution_id="e", tenant="t", graph=REF, pins={"other": REF})
    made = Engine(start, "e")
    made.begin(compile_graph(definition), Landing(run_id="r1", engine=2, history_limit=history_limit))
    made.landed(Landing(run_id="r1"))
    return made


def with_branches(left: dict, right: dict, **join) -> dict:
    graph = diamond(**join)
    graph["nodes"][2:4] = [{**left, "id": "l"}, {**right, "id": "r"}]
    return graph


def test_two_waits_in_vain_at_once_fail_the_parallel_once() -> None:
    asked = node("ask", "approval", prompt="may I?", assignees=["a"], timeout=60)
    m = Machine(with_branches(asked, asked))
    m.state.engine = 2
    m.advance()
    step.pass_time(m.graph, m.state, NOW + timedelta(seconds=60))
    assert m.state.failure is not None
    assert m.state.failure.code == "timeout"


def test_a_wait_that_ends_with_its_branch_gone_brings_nothing() -> None:
    asked = node("ask", "approval", prompt="may I?", assignees=["a"], timeout=60)
    timer = node("pause", "wait", seconds=60)
    graph = with_branches(asked, timer)
    # Around it is a parallel that collects failures.
    graph["nodes"] += [node("around", "parallel"), noting("other"), node("meet2", "join", on_error="collect")]
    graph["edges"] = [
        e for e in graph["edges"] if (e["source"], e["target"]) not in (("start", "fan"), ("meet", "end"))
    ]
    graph["edges"] += [
        edge("start", "around"),
        edge("around", "fan", "in"),
        edge("around", "other", "other"),
        edge("meet", "meet2"),
        edge("other", "meet2"),
        edge("meet2", "end"),
    ]
    graph["nodes"][5] = node("end", "end", output={"all": "outputs.meet2"})
    m = Machine(graph)
    m.state.engine = 2
    m.advance()
    step.pass_time(m.graph, m.state, NOW + timedelta(seconds=60))
    m.advance(NOW + timedelta(seconds=60))
    m.done("other", 1)
    assert m.state.ended
    assert m.state.failure is None
    assert m.state.outputs["meet2"]["in"]["error"]["code"] == "timeout"


def test_work_that_a_reset_parked_does_not_keep_the_execution_from_a_new_run() -> None:
    made = engine(diamond(), history_limit=10)
    runs = {work.node_id: work.key for work in made.turn(NOW, 5).works}
    made.complete(runs["r"], NodeResult(value=1))
    made.reset()
    made.landed(Landing(run_id="r2", reset=True, revision=1))
    made.park(runs["l"])
    made.resume(Resume(lineage="r2"))
    turn = made.turn(NOW, 20)
    assert turn.go_on
    after = Engine(made.start.model_copy(update={"carry": made.dump()}), "e")
    after.begin(made.graph, Landing(run_id="r3", engine=2))
    after.landed(Landing(run_id="r3"))
    assert [work.node_id for work in after.turn(NOW, 3).works] == ["l"]


def test_a_child_that_would_begin_anew_and_is_dropped_at_once_is_not_begun() -> None:
    child = node("sub", "subgraph", workflow_id="other", input={})
    made = engine(with_branches(child, noting("r"), mode="any"))
    works = {work.node_id: work for work in made.turn(NOW).works}
    assert isinstance(works["l"], Child)
    assert isinstance(works["r"], Run)
    made.complete(works["r"].key, NodeResult(value=1))
    made.reset()
    made.landed(Landing(run_id="r2", reset=True, revision=1))
    made.child_failed(works["l"].key, NodeFailure(code=STOPPED, message="", node_id="l"))
    made.resume(Resume(lineage="r2"))
    turn = made.turn(NOW)
    under_way = made.state.in_flight
    assert [work.node_id for work in turn.works if work.key not in under_way] == []


def test_a_parallel_that_two_branches_enter_at_once_has_two_passages() -> None:
    graph = {
        "nodes": [
            node("start", "start"),
            node("around", "parallel"),
            node("a", "transform", set={"x": "1"}),
            node("b", "transform", set={"y": "1"}),
            node("fan", "parallel", checkpoint="fan"),
            noting("l"),
            noting("r"),
            node("meet", "join"),
            node("meet2", "join"),
            node("end", "end", output={"all": "outputs.meet2"}),
        ],
        "edges": [
            edge("start", "around"),
            edge("around", "a", "a"),
            edge("around", "b", "b"),
            edge("a", "fan"),
            edge("b", "fan"),
            edge("fan", "l", "left"),
            edge("fan", "r", "right"),
            edge("l", "meet"),
            edge("r", "meet"),
            edge("meet", "meet2"),
            edge("meet2", "end"),
        ],
    }
    made = engine(graph)
    number = 0
    works = made.turn(NOW).works
    while works:
        for work in works:
            number += 1
            made.complete(work.key, NodeResult(value=number))
        works = made.turn(NOW).works
    assert made.phase == "completed"
    assert set(made.state.output["all"]) == {"a", "b"}


def test_children_of_the_execution_that_was_forked_are_not_the_forks() -> None:
    source = engine(sequence(node("sub", "subgraph", workflow_id="other", input={})))
    (theirs,) = source.turn(NOW).works
    fork = Engine(source.start.model_copy(update={"seed": {"state": source.state.dump()}}), "f")
    fork.begin(source.graph, Landing(run_id="r1", engine=2))
    fork.landed(Landing(run_id="r2", reset=True, revision=1))  # reset to its start, it is paused
    assert fork.open_children() == []
    fork.resume(Resume(lineage="r2"))
    (own,) = fork.turn(NOW).works
    assert isinstance(theirs, Child)
    assert isinstance(own, Child)
    assert own.temporal_id != theirs.temporal_id
    assert fork.open_children() == [own]


def test_the_time_of_a_fork_begins_with_it() -> None:
    source = engine(sequence(noting("a"), limits={"seconds": 3600}))
    source.turn(NOW)
    fork = Engine(source.start.model_copy(update={"seed": {"state": source.state.dump()}}), "f")
    fork.begin(source.graph, Landing(run_id="r1", engine=2))
    fork.landed(Landing(run_id="r1"))
    (work,) = fork.turn(NOW + timedelta(days=1)).works
    fork.complete(work.key, NodeResult(value=1))
    fork.turn(NOW + timedelta(days=1, seconds=1))
    assert fork.phase == "completed"
