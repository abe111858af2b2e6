"""A turn told together with the agents that its agent calls, at whatever depth.

What an execution tells has an order of its own. As long as no sub-agent is at work, the turn's is the whole order.
While some are, it is that in which readers came to the events (:mod:`cairn.domain.chat.order`): so two sub-agents at
once are told as they work, and every reader, on whichever process, sees the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace

from cairn.domain.chat.model import ChatEvent, Turn
from cairn.domain.chat.order import Heard, TurnOrder
from cairn.domain.chat.telling import Place, TurnTeller
from cairn.domain.executions.events import ExecutionEvent
from cairn.errors import NotFound

_ENDED = ("node_completed", "node_failed")
_AGAIN = 0.1
"""Seconds until a child is looked for again that Temporal does not know yet."""


@dataclass(eq=False)
class _Source:
    """An execution that is followed: the turn's, or a sub-agent's.

    Attributes:
        call: id of the call that a sub-agent answers; None of the turn.
        events: what it tells.
        open: ids of the executions of its own sub-agents that are at work.
        said: characters of the text that its model is writing.
        thought: characters of the reasoning before and between it.
        held: the end of a call, which is told when all was told of the sub-agent.
        over: the call has ended; nothing is waited for any more.
    """

    id: str
    call: str | None
    teller: TurnTeller
    events: AsyncGenerator[ExecutionEvent]
    over: asyncio.Event
    open: set[str] = field(default_factory=set[str])
    said: int = 0
    thought: int = 0
    held: ExecutionEvent | None = None
    _next: asyncio.Future[ExecutionEvent | None] | None = None

    @property
    def next(self) -> asyncio.Future[ExecutionEvent | None]:
        """The next event, as soon as it is there; None when there is none any more."""
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self.events, None))
        return self._next

    def taken(self) -> ExecutionEvent | None:
        """Take the event that is there; None when there is none any more."""
        task, self._next = self.next, None
        return task.result()

    async def close(self) -> None:
        """Follow it no longer."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        await self.events.aclose()


class TurnStory:
    """Tells a turn with its sub-agents."""

    def __init__(
        self,
        turn: Turn,
        order: TurnOrder,
        follow: Callable[[str], AsyncGenerator[ExecutionEvent]],
        after: int = -1,
        *,
        verbose: bool = False,
    ) -> None:
        """Take what to tell.

        Args:
            turn: the turn.
            order: of the events that are told while sub-agents work.
            follow: gives what a sub-agent's execution tells, by its id.
            after: number of the last event that the reader has seen already.
            verbose: tell what models think, the use of each request to one, what sub-agents write, and where events
                belong.
        """
        self._turn = turn
        self._order = order
        self._follow = follow
        self._after = after
        self._verbose = verbose
        self.teller = TurnTeller(turn, after)
        self._sources: list[_Source] = []
        self._anchor = -1
        self._end: ChatEvent | None = None

    async def tell(self, events: AsyncGenerator[ExecutionEvent]) -> AsyncGenerator[ChatEvent]:
        """Yield what the events of the turn's execution mean to the reader, and those of its sub-agents'."""
        turn = _Source(self._turn.execution_id, None, self.teller, events, asyncio.Event())
        self._sources.append(turn)
        try:
            while turn in self._sources:
                source, event = await self._coming()
                if event is None:
                    continue
                if source is turn and event.type == "reset":
                    self._end = None  # of a line that was left
                for each in await self._take(source, event):
                    if self._goes_on(each):
                        yield each
                if source is turn and event.terminal:
                    if self._end is not None and self._end.seq > self._after:
                        yield self._end
                    return
        finally:
            for source in self._sources:
                await source.close()

    async def _coming(self) -> tuple[_Source, ExecutionEvent | None]:
        """Return of whom something comes, and what; None when it is nothing yet."""
        source = await self._ready()
        event, source.held = source.held, None
        if event is not None:
            return source, event
        event = source.taken()
        if event is None:
            await self._drop(source)
        elif self._waits(source, event):
            source.held, event = event, None
        return source, event

    def _goes_on(self, event: ChatEvent) -> bool:
        """Whether an event is told now. The turn's end is not, before it is known to be that of the present line."""
        if self._end is None and event.subagent is None and event.type in ("end", "error"):
            self._end = event
            return False
        return self._end is None and event.seq > self._after

    async def _ready(self) -> _Source:
        """Return a source that can go on."""
        followed = {source.id for source in self._sources}
        for source in self._sources:
            if source.held is not None and _child(source.held) not in followed:
                return source
        open = [source for source in self._sources if source.held is None]
        await asyncio.wait([source.next for source in open], return_when=asyncio.FIRST_COMPLETED)
        return next(source for source in open if source.next.done())

    def _waits(self, source: _Source, event: ExecutionEvent) -> bool:
        """Whether an event is the end of a call of which there is more to tell."""
        child = _child(event) if event.type in _ENDED else None
        for each in self._sources:
            if each.id == child:
                each.over.set()
                return True
        return False

    async def _take(self, source: _Source, event: ExecutionEvent) -> list[ChatEvent]:
        """Take an event; return what is to be told."""
        child = _child(event)
        if child is not None and event.type in _ENDED:
            source.open.discard(child)
        if event.type == "reset":
            source.open &= set(event.more.get("awaited", ()))
            await self._let_go()
        beside = source.call is not None or (bool(source.open) and event.type != "reset")
        told = list(source.teller.tell(event))
        if child is not None and event.type == "node_started":
            self._begin(source, event, child)
        if beside:
            return await self._in_order(source, told)
        if event.type == "reset":
            self._anchor = event.seq
        return self._shown(told)

    async def _in_order(self, source: _Source, told: list[ChatEvent]) -> list[ChatEvent]:
        heard = [self._heard(source, each) for each in told]
        if not heard or self._past:
            return []  # all of it is past for this reader
        found = await self._order.take(heard, source.id, self._anchor)
        return self._shown(found)

    def _heard(self, source: _Source, event: ChatEvent) -> Heard:
        match event.type:
            case "delta":
                source.said += len(str(event.content))
            case "reasoning":
                source.thought += len(str(event.content))
            case "start" | "restart":
                source.said = source.thought = 0
            case _:
                pass
        if source.call is None:
            return Heard(event, source.said, source.thought)
        spoken = event.type in ("delta", "reasoning")
        reset = event.type == "restart" and event.parent_call_id is None
        more = event.verbose or spoken or (event.type == "restart" and not reset)
        parent = event.parent_call_id or source.call
        named = replace(event, parent_call_id=parent, root_call_id=self._turn.execution_id, verbose=more)
        return Heard(named, source.said, source.thought, spoken)

    def _shown(self, events: list[ChatEvent]) -> list[ChatEvent]:
        return events if self._verbose else [replace(each, metadata={}) for each in events if not each.verbose]

    @property
    def _past(self) -> bool:
        """Whether the reader has seen all that is told while these sub-agents work."""
        return self._after >= 0 and Place.of(self._after).seq > self._anchor

    def _begin(self, source: _Source, event: ExecutionEvent, child: str) -> None:
        """Follow a sub-agent that is called, unless the reader has seen all of it."""
        if source.call is None and not source.open:
            self._anchor = event.seq
        source.open.add(child)
        if self._past or any(each.id == child for each in self._sources):
            return
        of_child = replace(self._turn, execution_id=child, agent_id=event.more["subagent"]["agent_id"])
        over = asyncio.Event()
        call = source.teller.call_of(event)
        teller = TurnTeller(of_child)
        self._sources.append(_Source(child, call, teller, self._followed(child, over), over))

    async def _followed(self, child: str, over: asyncio.Event) -> AsyncGenerator[ExecutionEvent]:
        """Yield what a sub-agent's execution tells, as soon as there is one."""
        while True:
            try:
                async with contextlib.aclosing(self._follow(child)) as events:
                    async for event in events:
                        yield event
                return
            except NotFound:
                if over.is_set():
                    return
            await asyncio.sleep(_AGAIN)

    async def _let_go(self) -> None:
        """Follow those sub-agents no longer that a reset has left behind, nor those that they have called."""
        turn = self._sources[0]
        known, reached = {turn.id}, [turn]
        while reached:
            open = reached.pop().open - known
            known |= open
            reached += [each for each in self._sources if each.id in open]
        for each in [each for each in self._sources if each.call is not None and each.id not in known]:
            await self._drop(each)

    async def _drop(self, source: _Source) -> None:
        self._sources.remove(source)
        await source.close()


def _child(event: ExecutionEvent) -> str | None:
    """Return the id of the execution of the sub-agent whose call an event is about."""
    told = event.more.get("subagent")
    return told["execution_id"] if told is not None else None
