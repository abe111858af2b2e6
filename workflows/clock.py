"""The clock of an execution: what time it is for the engine, and whether that is to look what is overdue."""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow

from cairn.graph.engine import Engine

_STANDS_STILL = 4
"""Engines from this one on look at the time once in each workflow task."""


class TaskClock:
    """Stands still in a workflow task, at its beginning or at the landing that was made in it.

    A local activity moves the workflow's own time within a task, and history tells neither whether the workflow looked
    at anything after it, nor whether a task woke it at all. What is overdue has to be the same for who reads the
    history: so the engine has one time in a task, and is asked in each.
    """

    def __init__(self, engine: Engine) -> None:
        """Take the engine of the execution."""
        self._engine = engine
        self._held: tuple[int, datetime] | None = None
        self._seen: tuple[int, datetime] | None = None

    @property
    def _applies(self) -> bool:
        return self._engine.started and self._engine.state.engine >= _STANDS_STILL

    def now(self) -> datetime:
        """Return the time."""
        if self._held is None or self._held[0] != workflow.info().get_current_history_length():
            self._held = None
            return workflow.now()
        return self._held[1]

    def hold(self) -> None:
        """Stand still for the rest of this workflow task: a local activity follows."""
        if self._applies:
            self._held = workflow.info().get_current_history_length(), self.now()

    def landed(self) -> None:
        """Go on from the workflow's own time, after a landing."""
        self._held = None
        self.hold()

    def seen(self) -> None:
        """Take note that the engine was asked."""
        self._seen = workflow.info().get_current_history_length(), workflow.now()

    def ticked(self) -> bool:
        """Whether the engine has not been asked in this workflow task."""
        if not self._applies:
            return False
        # The length alone does not tell tasks apart: one that only refused a command leaves nothing in history.
        length = workflow.info().get_current_history_length()
        held = self._held is not None and self._held[0] == length
        return not held and self._seen != (length, workflow.now())
