"""Following a turn as long as it goes on by itself: to its end, or until it waits for people."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from typing import cast

from cairn.contracts.json import JsonObject
from cairn.domain.chat.model import ChatEvent

_QUIET = 1.0
"""Seconds without news after which a turn that has asked people is taken to wait for them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A turn waits for people: what they are asked, each with its ``type``."""

    requests: list[JsonObject]


async def until_asked(
    events: AsyncGenerator[ChatEvent], answered: Collection[str] = ()
) -> AsyncGenerator[ChatEvent | Asked]:
    """Yield the events of a turn; when it waits for people that comes last, and the events are closed.

    Args:
        events: from the turn's beginning.
        answered: ids of requests that are not waited for, for they are answered, though it is not told yet.
    """
    asked: dict[str, tuple[ChatEvent, JsonObject]] = {}
    async with contextlib.aclosing(events):
        while True:
            try:
                async with asyncio.timeout(_QUIET if asked else None):
                    event = await anext(events)
            except TimeoutError:
                yield Asked([request for _, request in asked.values()])
                return
            except StopAsyncIteration:
                return
            if event.type in ("approval_required", "question_asked") and event.call_id not in answered:
                assert isinstance(event.content, dict)
                asked[event.call_id] = event, {"type": event.type, **event.content}
            elif event.type in ("approval_resolved", "question_answered"):
                asked.pop(event.call_id, None)
            elif event.type == "restart" and cast("JsonObject", event.content).get("reset"):
                asked = _going_on(asked, event)
            yield event


def _going_on(
    asked: dict[str, tuple[ChatEvent, JsonObject]], reset: ChatEvent
) -> dict[str, tuple[ChatEvent, JsonObject]]:
    """Return what is asked on after a reset of the turn, or of a sub-agent.

    Whoever was reset asks anew. Its sub-agents that go on ask on: those that it had called before.
    """
    content = cast("JsonObject", reset.content)
    void, after = cast("list[str]", content.get("void", [])), cast("float", content.get("void_after", math.inf))
    return {
        name: (event, request)
        for name, (event, request) in asked.items()
        if event.subagent != reset.subagent and name not in void and event.seq <= after
    }
