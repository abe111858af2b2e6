"""What an execution tells, read once for all who follow it in this process.

One task reads its history and, while models write, what they write, and keeps the newest of both. A follower has no
buffer: it has its place, and takes from there what it has not told yet when its client takes more. One that has fallen
so far behind that this is not kept any more reads by itself, from Temporal and the database.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from cairn.contracts.json import canonical
from cairn.domain.executions.events import ExecutionEvent
from cairn.domain.executions.lines import Entry, Line
from cairn.domain.executions.token_readers import KeptText, Visit
from cairn.domain.executions.token_wakeups import Wakeup, Wakeups
from cairn.errors import CairnError
from cairn.persistence.session import Database

EVENTS = 2000
"""Events that are kept of an execution, at most."""

SIZE = 1024 * 1024
"""Characters of results that are kept of it with them, as JSON."""

TEXT = 256 * 1024
"""Characters that are kept of what its models write."""

Key: TypeAlias = tuple[str, str, int]
STARTED, ENDED = "node_started", ("node_completed", "node_failed")


@dataclass(frozen=True, slots=True)
class TokenFeed:
    """Where followers find what others in this process read already, and what models write."""

    database: Database
    wakeups: Wakeups
    stories: Stories


def key_of(entry: Entry) -> Key:
    """Return what names the visit of a node that an event is about."""
    return entry.run_id, entry.event.node_id or "", entry.event.data.get("visit", 0)


class Story:
    """What a line of an execution tells.

    Attributes:
        line: the line.
        floor: number of the newest event that is not kept any more; -1: all are.
        last: number of the newest event.
        texts: what models write, by visit.
        changed: set when there is more; then another one stands in its place.
        over: nothing comes any more.
        error: why, when it broke off.
    """

    def __init__(self, line: Line, database: Database | None, wakeups: Wakeups | None) -> None:
        """Begin; without a database what models write is left out."""
        self.line = line
        self.floor = self.last = -1
        self.texts: dict[Visit, KeptText] = {}
        self.changed = asyncio.Event()
        self.over = False
        self.error: Exception | None = None
        self._database = database
        self._wakeups = wakeups
        self._kept: list[Entry] = []
        self._sizes: list[int] = []
        self._size = 0
        self._run_id = ""
        self._open: dict[Key, Visit] = {}

    def after(self, position: int) -> list[Entry]:
        """Return what is kept of the events after a number."""
        return self._kept[bisect_right(self._kept, position, key=_seq) :]

    async def read(self) -> None:
        """Read to the end."""
        try:
            async with self._news() as wakeup, contextlib.aclosing(self.line.tell()) as pages:
                await self._read(pages, wakeup)
        except Exception as error:
            self.error = error
        finally:
            self.over = True
            self._publish()

    @asynccontextmanager
    async def _news(self) -> AsyncGenerator[Wakeup | None]:
        if self._wakeups is None:
            yield None
            return
        async with self._wakeups.of(self.line.temporal_id) as wakeup:
            yield wakeup

    async def _read(self, pages: AsyncGenerator[list[Entry]], wakeup: Wakeup | None) -> None:
        while True:
            page = asyncio.ensure_future(anext(pages, None))
            try:
                while not await _first(page, wakeup if self._open else None):
                    if await self._hear():
                        self._publish()
            finally:
                if not page.done():
                    page.cancel()
                    await asyncio.wait([page])
            if (told := page.result()) is None:
                return
            for each in told:
                await self._take(each)
            await self._hear()
            self._forget(len(told))
            self._publish()

    async def _take(self, entry: Entry) -> None:
        event, key = entry.event, key_of(entry)
        if entry.run_id != self._run_id:
            self._run_id = entry.run_id
            self._open.clear()
        if entry.writes:
            self._open[key] = Visit(self.line.temporal_id, *key)
        elif event.type in ENDED and (visit := self._open.pop(key, None)) is not None and visit in self.texts:
            await self._read_text(visit, self.texts[visit])  # the rest, before anybody hears that it has ended
        if event.seq > self.last:
            size = _size(event)
            self._kept.append(entry)
            self._sizes.append(size)
            self._size += size
            self.last = event.seq

    async def _hear(self) -> bool:
        """Read what models have written; return whether it is anything."""
        news = False
        if self._database is not None:
            for visit in self._open.values():
                news = await self._read_text(visit, self.texts.get(visit) or KeptText(self._database, visit)) or news
        return news

    async def _read_text(self, visit: Visit, text: KeptText) -> bool:
        """Read on in a text; return whether there is more of it.

        One that cannot be read each follower reads for itself: those who want no text go on without the database.
        """
        self.texts[visit] = text
        try:
            return await text.read(TEXT)
        except CairnError:
            del self.texts[visit]
            return True

    def _forget(self, newest: int) -> None:
        """Keep no more than is promised, and the newest page whatever its size: the oldest goes first."""
        number = 0
        while (left := len(self._kept) - number) > newest and (left > EVENTS or self._size > SIZE):
            self.floor = self._kept[number].event.seq
            self._size -= self._sizes[number]
            number += 1
        del self._kept[:number], self._sizes[:number]
        open_yet = set(self._open.values())
        size = sum(text.size for text in self.texts.values())
        for visit in [visit for visit in self.texts if visit not in open_yet]:
            if size > TEXT or not self.texts[visit].size:
                size -= self.texts.pop(visit).size

    def _publish(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


def _seq(entry: Entry) -> int:
    return entry.event.seq


def _size(event: ExecutionEvent) -> int:
    results = [event.more[name] for name in ("value", "arguments", "output") if event.more.get(name) is not None]
    return len(canonical(results)) if results else 0


async def _first(page: asyncio.Future[list[Entry] | None], wakeup: Wakeup | None) -> bool:
    """Wait for the page or a wake-up; return whether it is the page."""
    if wakeup is None:
        await asyncio.wait([page])
        return True
    woken = asyncio.ensure_future(wakeup.wait())
    try:
        await asyncio.wait([page, woken], return_when=asyncio.FIRST_COMPLETED)
    finally:
        woken.cancel()
    return page.done()


class _Followed(NamedTuple):
    story: Story
    reading: asyncio.Task[None]


@dataclass
class Stories:
    """The stories that are followed in this process, each read for as long as anybody follows it."""

    _followed: dict[str, _Followed] = field(default_factory=dict[str, _Followed])
    _followers: dict[Story, int] = field(default_factory=dict[Story, int])

    def tells(self, temporal_id: str) -> bool:
        """Whether an execution is followed already, and its story goes on."""
        found = self._followed.get(temporal_id)
        return found is not None and not found.story.over

    @asynccontextmanager
    async def of(self, line: Line, feed: TokenFeed | None) -> AsyncGenerator[Story]:
        """Give the story of an execution: the one that is read already, or a new one."""
        found = self._followed.get(line.temporal_id)
        if found is None or not self.tells(line.temporal_id):
            story = Story(line, feed and feed.database, feed and feed.wakeups)
            # With a context of its own: what its logs and traces say is not the first follower's.
            found = _Followed(story, asyncio.create_task(story.read(), context=Context()))
            self._followed[line.temporal_id] = found
        self._followers[found.story] = self._followers.get(found.story, 0) + 1
        try:
            yield found.story
        finally:
            self._followers[found.story] -= 1
            if not self._followers[found.story]:
                del self._followers[found.story]
                if self._followed.get(line.temporal_id) is found:
                    del self._followed[line.temporal_id]
                found.reading.cancel()
                await asyncio.wait([found.reading])
