"""Steps at which a program kills itself (-9): set in its process before it begins, unknown to production code."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

Wrap = Callable[[Any, str], None]


def crash_at(step: str) -> None:
    """Let this process die when it comes to the step."""
    wrap, owner, name = _steps()[step]
    wrap(owner, name)
    _shorten_the_lease()


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def before(owner: Any, name: str) -> None:
    async def dead(*_: Any, **__: Any) -> None:
        die()

    setattr(owner, name, dead)


def outright(owner: Any, name: str) -> None:
    def dead(*_: Any, **__: Any) -> None:
        die()

    setattr(owner, name, dead)


def after(owner: Any, name: str) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    async def dying(*args: Any, **kwargs: Any) -> None:
        await original(*args, **kwargs)
        die()

    setattr(owner, name, dying)


def _steps() -> dict[str, tuple[Wrap, Any, str]]:
    from temporalio.client import WorkflowHandle

    from activities import schedules
    from activities.resets import ResetActivities
    from activities.schedules import ScheduleActivities
    from api.kit import route
    from api.kit.unit_of_work import UnitOfWork
    from cairn.domain.executions import reset_records
    from cairn.domain.executions.resets import ResetService
    from cairn.domain.schedules import firing
    from cairn.temporal.executions import ExecutionClient
    from cairn.temporal.resets import ResetClient
    from workflows.graph_execution import GraphExecution
    from workflows.work import WorkRunner

    return {
        "before the commit": (before, UnitOfWork, "commit"),
        "after the commit, before the start": (before, ExecutionClient, "start"),
        "after the start, before the reply is stored": (after, ExecutionClient, "start"),
        "after the commit, before the operation is started": (before, ResetClient, "begin"),
        "after the operation was started": (after, ResetClient, "begin"),
        "after the reset, before the reply is stored": (after, ResetService, "reset"),
        "after the command, before the reply is stored": (after, ExecutionClient, "command"),
        "after the reply was stored": (after, route, "once"),
        # Of the worker:
        "after the reset call, before its activity ends": (after, ResetClient, "make"),
        "after the reset, before the resume": (before, ResetClient, "finish"),
        "after an undo, before it is kept": (before, reset_records, "note_compensation"),
        "after an undo was kept, before its activity ends": (after, ResetActivities, "undo"),
        "after the undos, before the reset": (before, ResetClient, "make"),
        "after a cancellation was announced": (after, WorkflowHandle, "signal"),
        "after Temporal was asked for a cancellation": (after, WorkflowHandle, "cancel"),
        "before it goes on in a new run": (outright, GraphExecution, "_go_on"),
        "in a new run, before it takes up what it carries": (outright, WorkRunner, "rejoin"),
        "before the row of a firing": (before, firing, "prepare"),
        "after the row of a firing, before its activity ends": (after, ScheduleActivities, "prepare_scheduled"),
        "after the execution of a firing was started, before that is noted": (before, schedules, "note_start"),
    }


def _shorten_the_lease() -> None:
    """A try that died is taken over when its lease is out; ten seconds each time would only make the tests slow."""
    from api.kit import idempotency
    from cairn.domain.idempotency import store

    store.LEASE = idempotency.LEASE = timedelta(seconds=1)
