"""When an execution goes on in a new run (continue-as-new): a history in Temporal may not grow without end.

Activities are not carried over, so a run can only end when none is under way. Over the soft limit it ends as soon as
that is so. Now and then no new work begins for a moment, so that branches which are always busy come to such an end;
work that takes longer than the moment does not hold up the others. Only at the hard limit everything waits for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

SOFT = 4096
"""Events after which Temporal suggests a new run, unless its operator has set another number."""

HARD = 3
"""The hard limit is so many times the soft one: well below the 51,200 events at which Temporal ends an execution."""

HARD_BYTES = 12 * 1024 * 1024
"""The same in bytes of history, of which Temporal allows 50 MB and suggests a new run at 4 MB."""

MOMENT = timedelta(seconds=1)


class RunLength:
    """How long the present run is, beside how long it may be.

    Attributes:
        limit: the soft limit in events; None for Temporal's own.
        held_until: no new work begins before that time, unless everything waits for what is under way.
    """

    def __init__(self) -> None:
        """Begin a run."""
        self.limit: int | None = None
        self.held_until: datetime | None = None
        self._suggested = False
        self._next = 0

    def reset(self) -> None:
        """Take note that a reset made a new run, which has the history up to its point."""
        self.held_until, self._suggested, self._next = None, False, 0

    def over(self, length: int, suggested: bool) -> bool:
        """Whether the run is over its soft limit.

        Args:
            length: events in the run's history so far.
            suggested: Temporal suggests to continue in a new run.
        """
        self._suggested = self._suggested or suggested or (self.limit or length + 1) <= length
        return self._suggested

    def holds(self, now: datetime, length: int, size: int) -> bool:
        """Whether no new work is to begin in a run that is over its soft limit.

        Args:
            now: workflow time.
            length: events in the run's history so far.
            size: bytes of it.
        """
        soft = min(self.limit or SOFT, SOFT)
        if length >= HARD * soft or size >= HARD_BYTES:
            self.held_until = None
            return True
        if length >= self._next:
            self._next, self.held_until = length + soft, now + MOMENT
        return self.held_until is not None and now < self.held_until
