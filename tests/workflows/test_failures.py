"""What Temporal says of failed work, as the engine takes it."""

from __future__ import annotations

import pytest
from graphs import node, sequence
from machine import Machine
from temporalio.exceptions import ApplicationError, RetryState

from cairn.contracts.executions import GraphRef, NodeFailure, Usage
from cairn.graph import step
from cairn.graph.nodes.base import RetryPolicy
from cairn.graph.state import Child, Run
from workflows.failures import child_failure, failure_details, node_failure

RUN = Run(key="a#1#1", node_id="a", visit=1, summary="A", activity="run_tool", data={}, timeout=5, retry=RetryPolicy())


def test_a_worker_that_cannot_read_its_arguments_is_told_apart() -> None:
    error = ApplicationError("Failed decoding arguments")
    error.__cause__ = ApplicationError("key k2 is not known", type="PayloadKeyUnknown")
    failure = node_failure(RUN, error, RetryState.MAXIMUM_ATTEMPTS_REACHED)
    assert (failure.code, failure.attempt) == ("payload_key_unknown", 3)


USED = Usage(requests=2, input_tokens=30, output_tokens=4, cost=0.5)
CHILD = Child(
    key="s#1#1",
    node_id="s",
    visit=1,
    summary="S",
    temporal_id="exec_1",
    graph=GraphRef(workflow_id="w", version_id=1, version=1, digest="d"),
    data={},
)


def told(usage: Usage) -> ApplicationError:
    """What a child's failure tells its parent."""
    failure = NodeFailure(code="boom", message="it broke", node_id="n")
    return ApplicationError("it broke", failure_details(failure, usage), type="boom")


def test_a_child_tells_what_it_has_used_with_its_failure() -> None:
    failure = child_failure(CHILD, told(USED))
    assert (failure.code, failure.usage) == ("boom", USED)
    assert "usage" not in failure.model_dump()
    assert child_failure(CHILD, told(Usage())).usage is None
    assert child_failure(CHILD, ApplicationError("it broke")).usage is None


@pytest.mark.parametrize(("engine", "counted"), [(2, Usage()), (3, USED)])
def test_what_failed_children_have_used_counts_for_the_parent(engine: int, counted: Usage) -> None:
    m = Machine(sequence(node("s", "subgraph", workflow_id="w")))
    m.state.engine, m.state.pins = engine, {"w": CHILD.graph}
    m.advance()
    step.fail(m.graph, m.state, m.key("s"), child_failure(CHILD, told(USED)))
    assert m.state.usage == counted
    assert (m.state.spent.tokens, m.state.spent.cost) == (
        counted.input_tokens + counted.output_tokens,
        counted.cost or 0,
    )


def test_a_failed_node_tells_what_it_has_used() -> None:
    details = {"code": "budget_exceeded", "attempt": 1, "cause": None, "usage": USED.model_dump()}
    failure = node_failure(RUN, ApplicationError("too dear", details, type="budget_exceeded"), None)
    assert (failure.code, failure.usage) == ("budget_exceeded", USED)
    assert node_failure(RUN, ApplicationError("it broke"), None).usage is None
