"""The one order of what is told of a turn while sub-agents work on it: whoever reads an event first writes it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.domain.chat.model import ChatEvent
from cairn.domain.chat.telling import BESIDE, Place
from cairn.domain.executions.events import LINE
from cairn.persistence.session import Database
from cairn.persistence.tables import TurnEventRow
from cairn.persistence.types import utc_now

_TRIES = 50


@dataclass(frozen=True, slots=True)
class Heard:
    """An event as its source tells it.

    Attributes:
        event: its ``seq`` is its number among those of its source.
        said: characters of the text that the source's model was writing, up to and with this event.
        thought: characters of its reasoning. Counted apart: a text is still found when its reasoning is not any more.
        spoken: the event is a piece of either.
    """

    event: ChatEvent
    said: int = 0
    thought: int = 0
    spoken: bool = False

    @property
    def reached(self) -> int:
        """Characters up to and with this event of what it is a piece of."""
        return self.thought if self.event.type == "reasoning" else self.said


class TurnOrder:
    """The order of one turn's events, as one reader follows it."""

    def __init__(self, database: Database, temporal_id: str, turn: str) -> None:
        """Take where it is kept, the Temporal workflow id of the turn's execution, and that one's id."""
        self._database = database
        self._temporal_id = temporal_id
        self._turn = turn
        self._last = 0

    async def take(self, heard: Sequence[Heard], source: str, anchor: int) -> list[ChatEvent]:
        """Write down what was heard of a source, unless others have, and return what comes next in the order.

        Args:
            heard: in the source's own order.
            source: id of the execution.
            anchor: number of the turn's event after which sub-agents were at work.

        Returns:
            The events that this reader has not been given yet.
        """
        for attempt in range(_TRIES):
            try:
                async with self._database.transaction() as session:
                    await self._add(session, heard, source, anchor)
                    rows = await self._next(session, anchor)
                break
            except IntegrityError:  # another reader was quicker
                if attempt + 1 == _TRIES:
                    raise
        else:
            raise AssertionError
        if rows:
            self._last = rows[-1].number
        return [self._told(row) for row in rows]

    async def _add(self, session: AsyncSession, heard: Sequence[Heard], source: str, anchor: int) -> None:
        """Write down what is new. Raises IntegrityError when another reader was quicker."""
        row = TurnEventRow
        mine = col(row.temporal_id) == self._temporal_id
        # The number first: what others add from here on takes the next one, so that this cannot be added beside it.
        last = (await session.execute(select(func.max(col(row.number))).where(mine))).scalar_one() or 0
        newest = select(col(row.place), col(row.said), col(row.event)).where(mine, col(row.source) == source)
        known = (await session.execute(newest.order_by(col(row.place).desc()).limit(1))).one_or_none()
        place, said, thought = (known[0], known[1], known[2].get("thought", 0)) if known is not None else (-1, 0, 0)
        rows: list[JsonObject] = []
        for each in heard:
            before = thought if each.event.type == "reasoning" else said
            if each.event.seq <= place or (each.spoken and each.reached <= before):
                continue
            event = _document(each)
            if each.event.type == "restart" and "void_after" in event["content"]:
                event["content"] = {"reset": True, "void": await self._void(session, source, event["content"])}
            if each.spoken:
                # Readers take a text in other pieces: what of this one is told already is left out.
                event["content"] = str(each.event.content)[-(each.reached - before) :]
            said, thought = each.said, each.thought
            rows.append(
                {
                    "temporal_id": self._temporal_id,
                    "number": last + len(rows) + 1,
                    "anchor": anchor,
                    "source": source,
                    "place": each.event.seq,
                    "said": said,
                    "event": event,
                    "created_at": utc_now(),
                }
            )
        if rows:
            await session.execute(insert(row), rows)

    async def _void(self, session: AsyncSession, source: str, reset: JsonObject) -> list[str]:
        """Return the ids of the calls of which something was told that a reset of their sub-agent voids.

        Numbers would say nothing: those of the turn's readers are not those of the sub-agent's own events.
        """
        row = TurnEventRow
        mine = col(row.temporal_id) == self._temporal_id, col(row.source) == source
        later = select(col(row.event)).where(*mine, col(row.place) > reset["void_after"])
        told = (await session.execute(later.order_by(col(row.number)))).scalars()
        return list(dict.fromkeys(each["call_id"] for each in told if each["call_id"] != source))

    async def _next(self, session: AsyncSession, anchor: int) -> Sequence[TurnEventRow]:
        # Of the present line alone: a line that a reset has left is told no more.
        query = select(TurnEventRow).where(
            col(TurnEventRow.temporal_id) == self._temporal_id,
            col(TurnEventRow.number) > self._last,
            col(TurnEventRow.anchor).between(anchor // LINE * LINE, anchor),
        )
        return (await session.execute(query.order_by(col(TurnEventRow.number)))).scalars().all()

    def _told(self, row: TurnEventRow) -> ChatEvent:
        told = row.event
        return ChatEvent(
            type=told["type"],
            call_id=told["call_id"],
            parent_call_id=told["parent_call_id"],
            root_call_id=self._turn,
            content=told["content"],
            timestamp=datetime.fromisoformat(told["timestamp"]),
            seq=Place(row.anchor, BESIDE, row.number, 0).number,
            metadata=told["metadata"],
            subagent=row.source if row.source != self._turn else None,
            verbose=bool(told["verbose"]),
        )


def _document(heard: Heard) -> JsonObject:
    event = heard.event
    named: JsonObject = {name: getattr(event, name) for name in ("type", "call_id", "parent_call_id", "content")}
    return {
        **named,
        "metadata": event.metadata,
        "timestamp": event.timestamp.isoformat(),
        "verbose": event.verbose,
        "thought": heard.thought,
    }
