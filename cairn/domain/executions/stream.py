"""Following an execution's events live, from any point, over resets."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from cairn.contracts.json import JsonObject
from cairn.domain.executions.events import STOPPED, ExecutionEvent
from cairn.domain.executions.lines import Entry, Line
from cairn.domain.executions.story import ENDED, Key, Stories, Story, TokenFeed, key_of
from cairn.domain.executions.token_readers import Visit, VisitReader
from cairn.persistence.session import Database
from cairn.temporal.executions import ExecutionClient


@dataclass(frozen=True, slots=True)
class Following:
    """How an execution is followed.

    Attributes:
        after: number of the last event that is known already; -1: none is.
        tokens: tell what models write, between a node's start and its end.
        apart: a try and the number of a piece of it that is the last of its token.
        reasoning: tell what models think, too, as events of type ``reasoning`` that are as tokens.
        stops: tell of work that stops and is begun anew later, too.
    """

    after: int = -1
    tokens: bool = True
    apart: tuple[int, int] | None = None
    reasoning: bool = False
    stops: bool = False


FROM_THE_BEGINNING = Following()


async def follow(
    temporal: ExecutionClient, temporal_id: str, execution_id: str, how: Following, feed: TokenFeed | None = None
) -> AsyncGenerator[ExecutionEvent]:
    """Yield the execution's events, those of the past first, until it has ended.

    Args:
        temporal: the client.
        temporal_id: Temporal workflow id.
        execution_id: put into the events.
        how: from where, and what of it.
        feed: of the process; None: nothing is shared, and nothing told of what models write.

    Raises:
        NotFound: Temporal does not know the execution.
        Unavailable: Temporal does not answer.
    """
    stories, known = feed.stories if feed is not None else Stories(), how.after
    while True:
        async with stories.of(Line(temporal, temporal_id, execution_id), feed) as story:
            database = feed.database if feed is not None and how.tokens else None
            writing = Writing(database, story, how.apart, how.reasoning)
            async with contextlib.aclosing(_told(story, writing, known)) as events:
                async for event in events:
                    known = max(known, event.seq)
                    if how.stops or event.type != STOPPED:
                        yield event
                    if event.terminal:
                        return
        if (await temporal.require(temporal_id)).run_id == story.line.run_id:
            return


async def _told(story: Story, writing: Writing, known: int) -> AsyncGenerator[ExecutionEvent]:
    """Yield what a story tells after the last event known."""
    position = -1
    while True:
        changed, over = story.changed, story.over
        writing.behind = position < story.floor
        reached = story.floor
        async with contextlib.aclosing(_pages(story, position, known)) as pages:
            async for page in pages:
                for entry in page:
                    position = max(position, entry.event.seq)
                    if entry.event.seq > known:
                        async for event in writing.rest(entry, known):
                            yield event
                        known = entry.event.seq
                        yield entry.event
                    writing.note(entry)
        position = max(position, reached)
        async for event in writing.news(known):
            yield event
        if position < story.last:
            continue
        if over:
            if story.error is not None:
                raise story.error
            return
        await changed.wait()


async def _pages(story: Story, position: int, known: int) -> AsyncGenerator[list[Entry]]:
    """Yield what comes after a position: what is kept, or, when not all of that is, everything that there is."""
    if position >= story.floor:
        yield story.after(position)
        return
    line = Line(story.line.temporal, story.line.temporal_id, story.line.execution_id)
    async with contextlib.aclosing(line.tell(known, live=False)) as pages:
        async for page in pages:
            yield page


@dataclass
class Writing:
    """The agents of a line, and which of them are under way, as one follower has heard of them.

    Attributes:
        database: where what they write is found; None: it is left out.
        apart: as of ``Following``.
        reasoning: as of ``Following``.
        behind: what is told is not from the story, which may not be as far.
        open: visits in which a model may be writing, with the event that says so: what the next call writes is told
            after it, though it may be there already.
    """

    database: Database | None
    story: Story
    apart: tuple[int, int] | None = None
    reasoning: bool = False
    behind: bool = False
    open: dict[Key, ExecutionEvent] = field(default_factory=dict[Key, ExecutionEvent])
    _run_id: str = ""
    _readers: dict[Key, VisitReader] = field(default_factory=dict[Key, VisitReader])

    def note(self, entry: Entry) -> None:
        """Take notice of an agent whose work starts or ends; with tools it does so several times in one visit."""
        key = key_of(entry)
        if entry.run_id != self._run_id:
            self._run_id = entry.run_id
            self.open.clear()
        if entry.writes and self.database is not None:
            visit = Visit(self.story.line.temporal_id, *key)
            self._readers.setdefault(key, VisitReader(self.database, visit, self.apart, self.reasoning))
            self.open[key] = entry.event
        elif entry.event.type in ENDED and key in self._readers:
            self._readers[key].skip(entry.event.at)
            self.open.pop(key, None)

    async def rest(self, entry: Entry, known: int) -> AsyncGenerator[ExecutionEvent]:
        """Yield what a model wrote before its work ended with this event."""
        if entry.event.type in ENDED and key_of(entry) in self.open:
            async for event in self._written(key_of(entry), known):
                yield event

    async def news(self, known: int) -> AsyncGenerator[ExecutionEvent]:
        """Yield what models have written since the last time."""
        for key in sorted(self.open):
            async for event in self._written(key, known):
                yield event

    async def _written(self, key: Key, known: int) -> AsyncGenerator[ExecutionEvent]:
        """Yield tokens: they have no number of their own, so that a stream is taken up after an event of history."""
        reader, started = self._readers[key], self.open[key]
        call, more = started.data.get("call", ""), True
        while more:
            kept = None if self.behind else self.story.texts.get(reader.visit)
            found, more = await reader.read(call, kept)
            for each in found:
                kind, text = ("reasoning", each.reasoning) if each.reasoning else ("token", each.text)
                data = {"visit": reader.visit.visit, "call": each.call, "attempt": each.attempt, "text": text}
                if each.restart:
                    data["restart"] = True
                named = started.execution_id, started.lineage, started.node_id
                pieces: JsonObject = {"first": each.first, "number": each.number}
                yield ExecutionEvent(max(known, 0), kind, each.at, *named, data, pieces)
