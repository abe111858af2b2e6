"""Following an execution's events live, from any point, over resets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import TypeAlias

from cairn.domain.executions.events import ExecutionEvent, Narrator, last_seq
from cairn.domain.executions.token_wakeups import Wakeup, Wakeups
from cairn.domain.executions.tokens import Told, Visit, VisitReader
from cairn.persistence.session import Database
from cairn.temporal.events import Event
from cairn.temporal.executions import ExecutionClient

_Key: TypeAlias = tuple[str, int]
_STARTED, _ENDED = "node_started", ("node_completed", "node_failed")


@dataclass(frozen=True, slots=True)
class TokenFeed:
    """Where the tokens of all executions come from."""

    database: Database
    wakeups: Wakeups


async def follow(
    temporal: ExecutionClient,
    temporal_id: str,
    execution_id: str,
    after: int | None = None,
    tokens: TokenFeed | None = None,
    apart: tuple[int, int] | None = None,
) -> AsyncGenerator[ExecutionEvent]:
    """Yield the execution's events, those of the past first, until it has ended.

    Args:
        temporal: the client.
        temporal_id: Temporal workflow id.
        execution_id: put into the events.
        after: number of the last event that is known already.
        tokens: of what models write, told between a node's start and its end; None for none.
        apart: a try and the number of a piece of it that is the last of its token.

    Raises:
        NotFound: Temporal does not know the execution.
        Unavailable: Temporal does not answer.
    """
    known = -1 if after is None else after
    told = set[str]()
    while True:
        now = await temporal.require(temporal_id)
        if now.run_id in told:
            return
        for run in (await temporal.project(now)).runs:
            open_yet = run.run_id == now.run_id
            if run.run_id in told or (not open_yet and last_seq(run) <= known):
                continue
            narrator = Narrator(execution_id, run.previous)
            events = _run(temporal, Writing(tokens, temporal_id, run.run_id, apart), narrator, known)
            async with contextlib.aclosing(events):
                async for event in events:
                    # A reset ends a run too: then another one is current, and the story goes on there.
                    if event.terminal and (await temporal.require(temporal_id)).run_id != now.run_id:
                        break
                    known = max(known, event.seq)
                    yield event
                    if event.terminal:
                        return
            told.add(run.run_id)


async def _run(
    temporal: ExecutionClient, writing: Writing, narrator: Narrator, known: int
) -> AsyncGenerator[ExecutionEvent]:
    """Yield the events of one run that come after the last one known."""
    batches = temporal.reader.growing(writing.temporal_id, writing.run_id)
    async with contextlib.aclosing(_live(batches, writing)) as live:
        async for batch in live:
            if not isinstance(batch, list):
                yield _token(narrator, known, *batch)
                continue
            for event in narrator.tell(batch):
                if event.seq > known:
                    async for visit, told in writing.rest(event):
                        yield _token(narrator, known, visit, told)
                    known = event.seq
                    yield event
                writing.note(event, narrator)


def _token(narrator: Narrator, known: int, visit: Visit, told: Told) -> ExecutionEvent:
    """Return the event: it has no number of its own, so that a stream is taken up after an event of history."""
    data = {"visit": visit.visit, "call": told.call, "attempt": told.attempt, "text": told.text}
    if told.restart:
        data["restart"] = True
    named = narrator.execution_id, narrator.lineage, visit.node_id
    return ExecutionEvent(max(known, 0), "token", told.at, *named, data, {"number": told.number})


@dataclass
class Writing:
    """The agents of a run, and which of them are under way.

    Attributes:
        apart: as of ``follow``.
        open: visits in which a model may be writing, with the call that does: what the next one writes is told
            after it, though it may be there already.
    """

    tokens: TokenFeed | None
    temporal_id: str
    run_id: str
    apart: tuple[int, int] | None = None
    open: dict[_Key, str] = field(default_factory=dict[_Key, str])
    _readers: dict[_Key, VisitReader] = field(default_factory=dict[_Key, VisitReader])

    def note(self, event: ExecutionEvent, narrator: Narrator) -> None:
        """Take notice of an agent whose work starts or ends; with tools it does so several times in one visit."""
        key = _key(event)
        if event.type == _STARTED and self.tokens is not None and narrator.is_agent(key[0]):
            visit = Visit(self.temporal_id, self.run_id, *key)
            self._readers.setdefault(key, VisitReader(self.tokens.database, visit, self.apart))
            self.open[key] = event.data.get("call", "")
        elif event.type in _ENDED and key in self._readers:
            self._readers[key].skip(event.at)
            self.open.pop(key, None)

    async def rest(self, event: ExecutionEvent) -> AsyncGenerator[tuple[Visit, Told]]:
        """Yield what a model wrote before its work ended with this event."""
        if event.type in _ENDED and _key(event) in self.open:
            async for told in _all(self._readers[_key(event)], self.open[_key(event)]):
                yield told

    async def news(self) -> AsyncGenerator[tuple[Visit, Told]]:
        """Yield what models have written since the last time."""
        for key in sorted(self.open):
            async for told in _all(self._readers[key], self.open[key]):
                yield told


def _key(event: ExecutionEvent) -> _Key:
    return event.node_id or "", event.data.get("visit", 0)


async def _all(reader: VisitReader, call: str) -> AsyncGenerator[tuple[Visit, Told]]:
    more = True
    while more:
        told, more = await reader.read(call)
        for each in told:
            yield reader.visit, each


async def _live(
    batches: AsyncIterator[list[Event]], writing: Writing
) -> AsyncGenerator[list[Event] | tuple[Visit, Told]]:
    """Yield batches of history and, while a model may be writing, what it writes."""
    if writing.tokens is None:
        async for batch in batches:
            yield batch
        return
    async with writing.tokens.wakeups.of(writing.temporal_id) as wakeup:
        while True:
            batch = asyncio.ensure_future(anext(batches, None))
            try:
                while not await _ready(batch, wakeup if writing.open else None):
                    async for told in writing.news():
                        yield told
            finally:
                batch.cancel()  # nothing is lost: it is done, or nobody listens any more
            if (events := batch.result()) is None:
                return
            yield events


async def _ready(batch: asyncio.Future[list[Event] | None], wakeup: Wakeup | None) -> bool:
    """Wait for the batch or a wake-up; return whether it is the batch."""
    if wakeup is None:
        await asyncio.wait([batch])
        return True
    woken = asyncio.ensure_future(wakeup.wait())
    try:
        await asyncio.wait([batch, woken], return_when=asyncio.FIRST_COMPLETED)
    finally:
        woken.cancel()
    return batch.done()
