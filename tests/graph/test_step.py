"""The step function: states in, work out, without any server."""

from __future__ import annotations

from datetime import timedelta

from graphs import edge, node, noting, sequence
from machine import NOW, Machine, diamond

from cairn.contracts.executions import Usage
from cairn.contracts.nodes import NodeResult
from cairn.graph import limits, step


def test_a_sequence_is_one_piece_of_work_at_a_time() -> None:
    m = Machine(sequence(noting("a"), noting("b")))
    assert m.advance() == ["a"]
    assert not m.state.ended
    assert m.done("a", 1) == ["b"]
    assert m.done("b", 2) == []
    assert m.state.ended
    assert m.state.output == {"done": True}


def test_results_of_unknown_work_are_ignored() -> None:
    m = Machine(sequence(noting("a")))
    m.advance()
    step.complete(m.graph, m.state, "nothing#1#9", NodeResult(value=1))
    step.complete(m.graph, m.state, m.key("a"), NodeResult(value=1))
    step.complete(m.graph, m.state, m.key("a"), NodeResult(value=2))
    assert m.state.outputs["a"] == 1


def test_keys_never_repeat() -> None:
    graph = sequence(noting("a", max_visits=50))
    graph["edges"][1]["data"]["expression"] = "execution.visits.a > 9"
    graph["edges"].append(edge("a", "a", "again"))
    m = Machine(graph)
    m.advance()
    while not m.state.ended:
        m.done("a")
    keys = [run.key for run in m.runs]
    assert len(keys) == 10
    assert len(set(keys)) == 10


def test_branches_join_in_any_order() -> None:
    for order in (("l", "r"), ("r", "l")):
        m = Machine(diamond())
        assert m.advance() == ["l", "r"]
        assert m.done(order[0], order[0]) == []
        assert not m.state.ended
        m.done(order[1], order[1])
        assert m.state.output == {"all": {"left": "l", "right": "r"}}


def test_a_loop_around_a_parallel_forks_anew_each_time() -> None:
    graph = diamond()
    graph["edges"][-1]["data"]["expression"] = "execution.visits.meet >= 2"
    graph["edges"].append(edge("meet", "fan", "again"))
    m = Machine(graph)
    assert m.advance() == ["l", "r"]
    m.done("l", 1)
    assert m.done("r", 1) == ["l", "r"]
    m.done("r", 2)
    m.done("l", 2)
    assert m.state.output == {"all": {"left": 2, "right": 2}}


def test_parallels_nest() -> None:
    graph = {
        "nodes": [
            node("start", "start"),
            node("outer", "parallel"),
            node("inner", "parallel"),
            noting("a"),
            noting("b"),
            noting("c"),
            node("j1", "join"),
            node("j2", "join"),
            node("end", "end", output={"j": "outputs.j2"}),
        ],
        "edges": [
            edge("start", "outer"),
            edge("outer", "inner", "x"),
            edge("outer", "c", "y"),
            edge("inner", "a", "p"),
            edge("inner", "b", "q"),
            edge("a", "j1"),
            edge("b", "j1"),
            edge("j1", "j2"),
            edge("c", "j2"),
            edge("j2", "end"),
        ],
    }
    m = Machine(graph)
    assert sorted(m.advance()) == ["a", "b", "c"]
    m.done("c", 3)
    m.done("a", 1)
    assert not m.state.ended
    m.done("b", 2)
    assert m.state.output == {"j": {"x": {"p": 1, "q": 2}, "y": 3}}


def test_a_branch_that_ends_leaves_the_join_to_the_others() -> None:
    graph = diamond()
    graph["nodes"].append(node("stop", "end", output={"stopped": "true"}))
    graph["edges"][3] = edge("l", "stop")
    for order in (("l", "r"), ("r", "l")):
        m = Machine(graph)
        m.advance()
        for branch in order:
            m.done(branch, branch)
        assert m.state.ended
        assert m.state.output == {"stopped": True, "all": {"right": "r"}}


def test_a_failure_ends_everything_unless_an_edge_handles_it() -> None:
    m = Machine(sequence(noting("a"), noting("b")))
    m.advance()
    assert m.failed("a") == []
    assert m.state.failure.code == "broken"
    handled = sequence(noting("a"), noting("b"))
    handled["nodes"].append(noting("late"))
    handled["edges"] += [
        edge("a", "b", "err", on="error"),
        edge("a", "late", "slow", on="timeout"),
        edge("late", "end"),
    ]
    m = Machine(handled)
    m.advance()
    assert m.failed("a") == ["b"]
    assert m.state.outputs["a"] == {"error": {"code": "broken", "message": "it broke", "attempt": 2}}
    m = Machine(handled)
    m.advance()
    assert m.failed("a", "timeout") == ["late"]


def test_an_expression_that_fails_fails_its_node() -> None:
    graph = sequence(node("a", "tool", tool="note", arguments={"entry": "input.missing.deeper"}))
    m = Machine(graph)
    m.advance()
    assert m.state.failure.node_id == "a"
    assert m.state.failure.code == "expression"


def test_state_keys_are_written_through_their_reducers() -> None:
    graph = sequence(
        noting("a", output="log"),
        node("t", "transform", set={"total": "outputs.a.n", "doc": "{'x': outputs.a.n}"}),
        noting("b", output="log"),
        node("end", "end"),
        state={
            "log": {"reducer": "append"},
            "total": {"reducer": "sum", "default": 5},
            "doc": {"reducer": "merge", "default": {"y": 1}},
        },
    )
    m = Machine(graph)
    m.advance()
    m.done("a", {"n": 2})
    m.done("b", {"n": 3})
    assert m.state.output == {"log": [{"n": 2}, {"n": 3}], "total": 7, "doc": {"y": 1, "x": 2}}


def test_a_value_that_breaks_its_state_keys_schema_fails_the_node() -> None:
    m = Machine(sequence(noting("a", output="n"), state={"n": {"schema": {"type": "integer"}}}))
    m.advance()
    m.done("a", "text")
    assert (m.state.failure.code, m.state.failure.node_id) == ("state_schema", "a")


def test_a_named_checkpoint_of_a_node_without_io_is_work() -> None:
    m = Machine(sequence(node("t", "transform", set={"x": 1}, checkpoint="counted"), noting("a")))
    assert m.advance() == ["t"]
    assert m.runs[0].activity == "mark_checkpoint"
    assert m.state.values == {"x": 1}
    assert m.done("t") == ["a"]
    assert m.state.outputs["t"] == {"x": 1}


def test_limits_hold_the_execution_and_are_granted_anew() -> None:
    loop = {
        "nodes": [node("start", "start"), noting("a"), node("end", "end")],
        "edges": [edge("start", "a"), edge("a", "a", "again", expression="execution.visits.a < 5"), edge("a", "end")],
    }
    m = Machine({**loop, "limits": {"steps": 3}})
    m.advance()
    m.done("a")
    m.done("a")
    assert m.reason is not None
    assert "3 steps" in m.reason
    limits.grant(m.graph, m.state, NOW)
    assert m.advance() == ["a"]

    m = Machine({**loop, "limits": {"tokens": 100}})
    m.advance()
    m.done("a", usage=Usage(requests=1, input_tokens=60, output_tokens=40, cost=0.5))
    assert "100 tokens" in m.reason
    assert m.state.usage.cost == 0.5

    m = Machine({**loop, "limits": {"seconds": 10}})
    m.advance()
    step.complete(m.graph, m.state, m.key("a"), NodeResult())
    assert m.advance(NOW + timedelta(seconds=11)) == []
    assert "10" in m.reason


def test_work_that_a_reset_parked_is_done_anew_under_a_new_key() -> None:
    m = Machine(sequence(noting("a")))
    m.advance()
    first = m.key("a")
    again = step.redo(m.graph, m.state, first, step.Line(NOW))
    assert again.key != first
    assert (again.node_id, again.visit, again.data) == ("a", 1, m.runs[0].data)
    assert step.redo(m.graph, m.state, first, step.Line(NOW)) is None


def test_ten_thousand_steps_keep_no_trace_but_the_state() -> None:
    loop = {
        "state": {"n": {"reducer": "sum", "default": 0}},
        "nodes": [
            node("start", "start"),
            node("t", "transform", set={"n": 1}, max_visits=20_000),
            noting("a", max_visits=20_000),
            node("end", "end", output={"n": "state.n"}),
        ],
        "edges": [
            edge("start", "t"),
            edge("t", "a"),
            edge("a", "t", "again", expression="state.n < 10000"),
            edge("a", "end"),
        ],
    }
    m = Machine(loop)
    m.advance()
    while not m.state.ended:
        run = m.runs.pop()
        step.complete(m.graph, m.state, run.key, NodeResult())
        m.advance()
    assert m.state.output == {"n": 10_000}
    assert not m.state.in_flight
    assert not m.state.forks
