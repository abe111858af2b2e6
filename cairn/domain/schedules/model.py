"""What the surfaces show of a schedule, and what callers ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cairn.contracts.json import Json, JsonObject
from cairn.contracts.schedules import Overlap, Spec

DEFAULT_CATCHUP = 3600


@dataclass(frozen=True, slots=True)
class CreateSchedule:
    """What a caller asks for.

    Attributes:
        workflow_id: id or uuid of a published graph.
        metadata: of the executions.
        catchup_window_seconds: a time that was missed (Temporal was down) is made up for within this.
        note: why it is paused, or anything else for people.
    """

    workflow_id: str
    spec: Spec
    name: str | None = None
    input_data: Json = field(default_factory=dict[str, Json])
    metadata: JsonObject = field(default_factory=dict[str, Json])
    overlap: Overlap = "skip"
    catchup_window_seconds: int = DEFAULT_CATCHUP
    pause_on_failure: bool = False
    paused: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ScheduleFilter:
    """Which schedules a list shows; all given conditions hold."""

    workflow_id: str | None = None
    paused: bool | None = None


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """A firing.

    Attributes:
        scheduled_at: for which time; UTC.
        started_at: when it did.
        execution_id: None when none could be started.
        status: of the execution; of the firing when there is none, and None when that is forgotten.
        error: {code, message} of one that failed.
    """

    scheduled_at: datetime
    started_at: datetime
    execution_id: str | None
    status: str | None
    error: JsonObject | None


@dataclass(frozen=True, slots=True)
class ScheduleActivity:
    """What Temporal knows of a schedule.

    Attributes:
        next_runs: the next five times; none while it is paused.
        recent_runs: the last ten firings, newest first.
        running: executions of these that have not ended.
        runs: how often it fired.
        skipped: how often it did not because of an overlap.
        missed: how often it did not because Temporal was down for longer than the catch-up window.
    """

    next_runs: list[datetime] = field(default_factory=list[datetime])
    recent_runs: list[ScheduleRun] = field(default_factory=list[ScheduleRun])
    running: list[str] = field(default_factory=list[str])
    runs: int = 0
    skipped: int = 0
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule. ``activity`` is None where only the row was read (lists).

    Attributes:
        workflow_id: uuid of the graph.
        status_detail: "waiting for Temporal" while Temporal does not have its present form yet.
    """

    id: str
    name: str | None
    workflow_id: str
    input_data: Json
    metadata: JsonObject
    spec: Spec
    overlap: str
    catchup_window_seconds: int
    pause_on_failure: bool
    paused: bool
    note: str | None
    status_detail: str | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    activity: ScheduleActivity | None = None
