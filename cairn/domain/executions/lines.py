"""A line of an execution, told from its beginning: the events of its runs, until it ends or a reset begins another."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import NamedTuple

from cairn.domain.executions.events import ExecutionEvent, Narrator, last_seq
from cairn.temporal.executions import ExecutionClient


class Entry(NamedTuple):
    """An event, of which run it is, and whether a model may be writing in the node that it is about."""

    event: ExecutionEvent
    run_id: str
    writes: bool


class Line:
    """The line in which an execution stands when it is looked at first.

    Attributes:
        run_id: the last run of it that was looked at.
    """

    def __init__(self, temporal: ExecutionClient, temporal_id: str, execution_id: str) -> None:
        """Take where it is read; ``execution_id`` is put into the events."""
        self.temporal = temporal
        self.temporal_id = temporal_id
        self.execution_id = execution_id
        self.run_id = ""

    async def tell(self, after: int = -1, *, live: bool = True) -> AsyncGenerator[list[Entry]]:
        """Yield its events in batches; an event that says that the execution has ended is the last one.

        Args:
            after: runs that have ended and have no events after this number are left out.
            live: go on with what comes, until it ends. Else: with what there is now.

        Raises:
            NotFound: Temporal does not know the execution.
            Unavailable: Temporal does not answer.
        """
        told = set[str]()
        while True:
            now = await self.temporal.require(self.temporal_id)
            runs = (await self.temporal.project(now)).runs
            if now.run_id in told or (told and self.run_id not in [run.run_id for run in runs]):
                return
            for run in runs:
                if run.run_id in told or (run.run_id != now.run_id and last_seq(run) <= after):
                    continue
                narrator = Narrator(self.execution_id, run.previous)
                batches = self.temporal.reader.growing(self.temporal_id, run.run_id, wait=live)
                async with contextlib.aclosing(batches):
                    async for batch in batches:
                        page = [Entry(event, run.run_id, _writes(event, narrator)) for event in narrator.tell(batch)]
                        end = next((n for n, each in enumerate(page) if each.event.terminal), len(page))
                        ended = end < len(page)
                        # A reset ends a run too: then another one is current, and the story goes on there.
                        moved = ended and (await self.temporal.require(self.temporal_id)).run_id != now.run_id
                        if page := page[: end if moved else end + 1]:
                            yield page
                        if ended:
                            self.run_id = run.run_id
                            return
                told.add(run.run_id)
            self.run_id = now.run_id


def _writes(event: ExecutionEvent, narrator: Narrator) -> bool:
    return event.type == "node_started" and narrator.is_agent(event.node_id or "")
