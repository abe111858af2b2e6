"""The clock of an execution: what time it is for the engine."""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow

from cairn.graph.engine import Engine

_STANDS_STILL = 4
"""Engines from this one on have one time in a workflow task."""


class TaskClock:
    """Stands still in a workflow task, at its beginning or at the landing that was made in it.

    A local activity moves the workflow's own time within a task, and history does not tell whether the workflow looked
    at anything after it. What is overdue has to be the same for who reads the history.
    """

    def __init__(self, engine: Engine) -> None:
        """Take the engine of the execution."""
        self._engine = engine
        self._length = -1
        self._now: datetime | None = None

    def now(self) -> datetime:
        """Return the time."""
        if not self._engine.started or self._engine.state.engine < _STANDS_STILL:
            return workflow.now()
        if self._now is None or self._length != workflow.info().get_current_history_length():
            return self.set()
        return self._now

    def set(self) -> datetime:
        """Take the workflow's own time for the rest of this workflow task, and return it."""
        self._length, self._now = workflow.info().get_current_history_length(), workflow.now()
        return self._now
