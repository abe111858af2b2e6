"""One workflow task as history tells it: what it told the workflow besides the work that ended, and the commands."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cairn.contracts.executions import (
    Answer,
    Cancel,
    Command,
    Migrate,
    OutsideEvent,
    ParentCommand,
    Patch,
    Pause,
    Resume,
)
from cairn.errors import CairnError
from cairn.graph.engine import Engine
from cairn.temporal import events
from cairn.temporal.events import (
    ChildCompleted,
    ChildFailed,
    Event,
    Landed,
    LetGo,
    Signalled,
    Started,
    TaskCompleted,
    WasReset,
    WorkCompleted,
    WorkFailed,
)
from workflows.failures import held, is_parked


@dataclass(slots=True)
class Task:
    """A workflow task that completed, and what was written with it.

    Attributes:
        completed: its end; what stands before the event that it was started by, it saw.
        now: the workflow's clock in it.
        suggested: Temporal suggested to continue in a new run.
        size: bytes of the history before it.
        commands: commands that were accepted in it.
        landings: landings that were made in it.
        told: it told the workflow something.
    """

    completed: TaskCompleted
    now: datetime
    suggested: bool
    size: int
    commands: list[Command]
    landings: list[Landed]
    told: bool

    @property
    def woke(self) -> bool:
        """Whether it woke the workflow: a task without news is not handed to it, live or in a replay."""
        return self.told or bool(self.commands)


class TaskNews:
    """What the workflow will be told in its next task."""

    def __init__(self) -> None:
        """Begin a run."""
        self._any = False
        self._let_go: set[int] = set()

    def take(self, event: Event) -> None:
        """Take the next event of the history."""
        match event:
            case LetGo():
                self._let_go.add(event.scheduled_id)
            case WorkCompleted() | WorkFailed():
                self._any |= event.scheduled_id not in self._let_go
            case Started() | WasReset() | Signalled() | ChildCompleted() | ChildFailed() | events.News():
                self._any = True
            case _:
                pass

    def told(self) -> bool:
        """Return whether there was any since the last task."""
        told, self._any = self._any, False
        return told


def signal(engine: Engine, signals: Iterable[Signalled]) -> None:
    """Tell an engine of signals."""
    for event in signals:
        match event.signal:
            case OutsideEvent():
                engine.hear(event.signal)
            case Answer():
                engine.said(event.signal)
            case ParentCommand():
                engine.told(event.signal)


def command(engine: Engine, task: Task) -> None:
    """Have an engine carry out the commands that a task accepted."""
    for each in task.commands:
        with contextlib.suppress(CairnError):  # it was accepted and then refused: its caller was told so
            _carry_out(engine, each, task.now)


def _carry_out(engine: Engine, command: Command, now: datetime) -> None:
    match command:
        case Pause():
            engine.pause(command)
        case Resume():
            engine.resume(command)
        case Patch():
            engine.patch(command)
        case Cancel():
            engine.cancelling()
        case Answer():
            engine.answer(command, now)
        case Migrate():
            engine.migrate(command)
        case _:
            pass


def park_or_hold(engine: Engine, key: str, event: WorkFailed) -> None:
    """Have the engine take note that work merely stopped."""
    reason = held(event.cause, engine.state.engine)
    if is_parked(event.cause):
        engine.park(key)
    elif reason is not None:
        engine.hold(key, reason)
