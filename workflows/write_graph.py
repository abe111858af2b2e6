"""A model writes a graph from a description, and repairs what the validator finds."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from cairn.contracts.writing import (
    REPAIRS,
    WRITE_GRAPH,
    WRITING_WORKFLOW_TYPE,
    WritingRequest,
    WritingTurn,
    WrittenGraph,
)

_TURN = timedelta(minutes=5)
_HEARTBEAT = timedelta(seconds=30)
_RETRY = RetryPolicy(maximum_attempts=3)


@workflow.defn(name=WRITING_WORKFLOW_TYPE)
class WriteGraph:
    """Writes one graph. Each turn of the model is an activity."""

    @workflow.run
    async def run(self, request: WritingRequest) -> WrittenGraph:
        """Return the graph, with the errors that are left when it could not be repaired."""
        written = await self._turn(request, None)
        while written.errors and written.attempts <= REPAIRS:
            again = await self._turn(request, written)
            written = again.model_copy(update={"attempts": written.attempts + 1})
        return written

    async def _turn(self, request: WritingRequest, previous: WrittenGraph | None) -> WrittenGraph:
        return await workflow.execute_activity(
            WRITE_GRAPH.name,
            WritingTurn(request=request, previous=previous),
            result_type=WRITE_GRAPH.output,
            start_to_close_timeout=_TURN,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
            summary="repair the graph" if previous else "write the graph",
        )
