"""Requests a key may make in a time, counted in this process by a moving window."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter


@dataclass(frozen=True, slots=True)
class Quota:
    """Where a key stands.

    Attributes:
        headers: tell it to the caller, on every reply; none without a limit.
        retry_after: seconds to wait when the limit is reached; None: go on.
    """

    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    retry_after: float | None = None


class RateLimiter:
    """Counts requests, for each surface by itself."""

    def __init__(self, default: str | None = None) -> None:
        """Make a limiter.

        Args:
            default: limit of surfaces that have none of their own, for example ``60/minute``; None: no limit.

        Raises:
            ValueError: it is no limit.
        """
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._default = default
        self._parsed: dict[str, RateLimitItem] = {}
        if default is not None:
            self._parsed[default] = parse(default)

    async def hit(self, limit: str | None, surface: str, key_id: str) -> Quota:
        """Count one request of a key; ``limit`` is the surface's own."""
        limit = limit or self._default
        if limit is None:
            return Quota()
        item = self._parsed.get(limit) or self._parsed.setdefault(limit, parse(limit))
        allowed = await self._limiter.hit(item, surface, key_id)
        stats = await self._limiter.get_window_stats(item, surface, key_id)
        headers = {
            "X-RateLimit-Limit": str(item.amount),
            "X-RateLimit-Remaining": str(stats.remaining),
            "X-RateLimit-Reset": str(ceil(stats.reset_time)),
        }
        return Quota(headers, None if allowed else max(1.0, stats.reset_time - time.time()))
