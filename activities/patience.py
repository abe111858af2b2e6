"""Waiting for the database within a try: its absence is no failure of a node, whose tries are few."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cairn.errors import Unavailable
from cairn.observability import get_logger

T = TypeVar("T")

PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 5.0, 10.0, 10.0, 10.0, 10.0)
"""Seconds; a try of the node ends by its own timeout, if that is shorter."""

_log = get_logger("cairn.activities")


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Read or write what may be read or written again, until the database answers.

    Raises:
        Unavailable: it has not for about a minute.
    """
    for pause in PAUSES:
        try:
            return await ask()
        except Unavailable as error:
            _log.warning("an activity waits for the database", detail=error.message)
        await asyncio.sleep(pause)
    return await ask()
