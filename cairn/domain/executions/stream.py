"""Following an execution's events live, from any point, over resets."""

from __future__ import annotations

from collections.abc import AsyncIterator

from cairn.domain.executions.events import ExecutionEvent, Narrator
from cairn.temporal.executions import ExecutionClient


async def follow(
    temporal: ExecutionClient, temporal_id: str, execution_id: str, after: int | None = None
) -> AsyncIterator[ExecutionEvent]:
    """Yield the execution's events, those of the past first, until it has ended.

    Args:
        temporal: the client.
        temporal_id: Temporal workflow id.
        execution_id: put into the events.
        after: number of the last event that is known already.

    Raises:
        NotFound: Temporal does not know the execution.
        Unavailable: Temporal does not answer.
    """
    known = -1 if after is None else after
    while True:
        now = await temporal.require(temporal_id)
        narrator = Narrator(execution_id)
        async for batch in temporal.reader.growing(temporal_id, now.run_id):
            for event in narrator.tell(batch):
                # A reset ends a run too: then another one is current, and the story goes on there.
                if event.terminal and (await temporal.require(temporal_id)).run_id != now.run_id:
                    break
                if event.seq > known:
                    known = event.seq
                    yield event
                if event.terminal:
                    return
