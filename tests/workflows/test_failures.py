"""What Temporal says of failed work, as the engine takes it."""

from __future__ import annotations

from temporalio.exceptions import ApplicationError, RetryState

from cairn.graph.nodes.base import RetryPolicy
from cairn.graph.state import Run
from workflows.failures import node_failure

RUN = Run(key="a#1#1", node_id="a", visit=1, summary="A", activity="run_tool", data={}, timeout=5, retry=RetryPolicy())


def test_a_worker_that_cannot_read_its_arguments_is_told_apart() -> None:
    error = ApplicationError("Failed decoding arguments")
    error.__cause__ = ApplicationError("key k2 is not known", type="PayloadKeyUnknown")
    failure = node_failure(RUN, error, RetryState.MAXIMUM_ATTEMPTS_REACHED)
    assert (failure.code, failure.attempt) == ("payload_key_unknown", 3)
