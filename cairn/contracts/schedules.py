"""Schedules: when they fire, and the payloads of the workflow that each firing starts."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.executions import ExecutionInput
from cairn.contracts.operations import Nothing

SCHEDULED_WORKFLOW_TYPE = "ScheduledStart"

Overlap = Literal["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"]


def scheduled_execution_id(firing_id: str) -> str:
    """Return the id of the execution of a firing.

    Args:
        firing_id: Temporal workflow id of the firing, which is made of the schedule's id and the nominal time.
    """
    return f"exec_{hashlib.sha256(firing_id.encode()).hexdigest()[:32]}"


class Range(BaseModel):
    """Values from ``start`` to ``end`` (inclusive; None: ``start`` alone) in steps."""

    start: int
    end: int | None = None
    step: int = 1


class Calendar(BaseModel):
    """Times whose every part is in one of its ranges; no range of a year: every year. Sunday is 0."""

    second: list[Range] = Field(default_factory=lambda: [Range(start=0)])
    minute: list[Range] = Field(default_factory=lambda: [Range(start=0)])
    hour: list[Range] = Field(default_factory=lambda: [Range(start=0)])
    day_of_month: list[Range] = Field(default_factory=lambda: [Range(start=1, end=31)])
    month: list[Range] = Field(default_factory=lambda: [Range(start=1, end=12)])
    year: list[Range] = Field(default_factory=list[Range])
    day_of_week: list[Range] = Field(default_factory=lambda: [Range(start=0, end=6)])
    comment: str | None = None


class Interval(BaseModel):
    """Every so many seconds, counted from the epoch plus an offset."""

    every_seconds: int
    offset_seconds: int = 0


class Spec(BaseModel):
    """When a schedule fires. One of cron, interval and calendar is given.

    Attributes:
        cron: expressions; it fires at the times of each.
        calendar: it fires at the times of each.
        time_zone: IANA name, for cron and calendar.
        start_at: not before; UTC.
        end_at: not after; UTC.
        jitter_seconds: each firing is late by a random time up to this.
    """

    cron: list[str] | None = None
    interval: Interval | None = None
    calendar: list[Calendar] | None = None
    time_zone: str = "UTC"
    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter_seconds: int = 0


class Firing(BaseModel):
    """Argument of the ``ScheduledStart`` workflow."""

    schedule_id: str


class FiringRequest(BaseModel):
    """Input of ``prepare_scheduled``.

    Attributes:
        firing_id: Temporal workflow id of the firing.
        nominal_time: for which time the schedule fired; UTC.
    """

    schedule_id: str
    firing_id: str
    nominal_time: datetime


class ScheduledExecution(BaseModel):
    """Result of ``prepare_scheduled``: the execution whose row is there, and what its workflow is started with.

    Attributes:
        temporal_id: its Temporal workflow id.
        start: the workflow's argument.
        summary: what operators read in the Web UI.
    """

    temporal_id: str
    start: ExecutionInput
    summary: str


class StartedScheduled(BaseModel):
    """Input of ``note_scheduled``: the execution's workflow has been started."""

    temporal_id: str
    run_id: str


class Discarded(BaseModel):
    """Input of ``discard_scheduled``: the firing was cancelled before its execution was started."""

    temporal_id: str


class Look(BaseModel):
    """Input of ``look_at_execution``."""

    temporal_id: str


class Seen(BaseModel):
    """Result of ``look_at_execution``: the execution's phase, when it has ended; else None."""

    ended: str | None = None


class Fired(BaseModel):
    """Result of the ``ScheduledStart`` workflow."""

    execution_id: str
    status: str


PREPARE_SCHEDULED = ActivityRef("prepare_scheduled", FiringRequest, ScheduledExecution)
NOTE_SCHEDULED = ActivityRef("note_scheduled", StartedScheduled, Nothing)
DISCARD_SCHEDULED = ActivityRef("discard_scheduled", Discarded, Nothing)
LOOK_AT_EXECUTION = ActivityRef("look_at_execution", Look, Seen)
