"""Schedules as omium takes and shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.kit.body import INTEGRAL, Body, leave_out_default
from api.kit.timestamps import UtcQuery as Time
from api.omium.schemas.metadata import Metadata
from cairn.contracts import schedules as contract
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.schedules import Overlap
from cairn.domain.schedules import model
from cairn.domain.schedules.spec import YEARS
from cairn.persistence.paging import Page

_TEN_YEARS = 315_360_000
_YEAR = 31_536_000

Cron = Annotated[str, Field(min_length=1, max_length=200)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Note = Annotated[str, Field(max_length=250, description="Why it is paused, or anything else for people.")]
CatchupWindow = Annotated[
    int,
    Field(
        ge=10,
        le=_YEAR,
        description="A time that was missed, because Temporal was down, is made up for when it is not longer ago.",
    ),
    INTEGRAL,
]
_WHEN_OPEN = "What happens when an execution of the schedule is still open."
WORKFLOW = "Id or uuid of a published graph; each firing runs the version that is published then."


class Range(Body):
    """Values from `start` to `end`, inclusive, in steps; without `end` it is `start` alone."""

    start: Annotated[int, Field(ge=0, le=YEARS[1]), INTEGRAL]
    end: Annotated[int, Field(ge=0, le=YEARS[1]), INTEGRAL] | None = None
    step: Annotated[int, Field(ge=1, le=100), INTEGRAL] = 1


Ranges = Annotated[list[Range], Field(min_length=1, max_length=60)]


class Calendar(Body):
    """Times of which every part is in one of its ranges."""

    second: Ranges = Field(default=[Range(start=0)], description="0 to 59.")
    minute: Ranges = Field(default=[Range(start=0)], description="0 to 59.")
    hour: Ranges = Field(default=[Range(start=0)], description="0 to 23.")
    day_of_month: Ranges = Field(default=[Range(start=1, end=31)], description="1 to 31.")
    month: Ranges = Field(default=[Range(start=1, end=12)], description="1 to 12.")
    year: list[Range] = Field(default=[], max_length=60, description="2000 to 2100; without any, every year.")
    day_of_week: Ranges = Field(default=[Range(start=0, end=6)], description="From Sunday, 0, to Saturday, 6.")
    comment: str | None = Field(default=None, max_length=200)


class Interval(Body):
    """Every so many seconds, counted from 1970 (UTC) plus an offset."""

    every_seconds: Annotated[int, Field(ge=1, le=_TEN_YEARS), INTEGRAL]
    offset_seconds: Annotated[int, Field(ge=0, lt=_TEN_YEARS, description="Less than every_seconds."), INTEGRAL] = 0


_KINDS = ("cron", "interval", "calendar")


def _one_kind(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"required": [kind]} for kind in _KINDS]


class Spec(Body):
    """When it fires; exactly one of `cron`, `interval` and `calendar` is given."""

    model_config = ConfigDict(json_schema_extra=_one_kind)

    cron: Cron | Annotated[list[Cron], Field(min_length=1, max_length=50)] = Field(
        default="",
        description=(
            "Minute, hour, day of month, month, day of week; with a year six fields, with seconds before them seven. "
            "Or @hourly, @daily, @weekly, @monthly, @yearly. All fields have to hold. Of several, each fires."
        ),
        json_schema_extra=leave_out_default,
    )
    interval: Interval = Field(default=cast("Interval", None), json_schema_extra=leave_out_default)
    calendar: Calendar | Annotated[list[Calendar], Field(min_length=1, max_length=50)] = Field(
        default=cast("Calendar", None), json_schema_extra=leave_out_default
    )
    time_zone: str = Field(default="UTC", min_length=1, max_length=64, description="IANA name, as Europe/Berlin.")
    start_at: Time | None = Field(default=None, description="Not before.")
    end_at: Time | None = Field(default=None, description="Not after.")
    jitter_seconds: Annotated[int, Field(ge=0, le=_YEAR), INTEGRAL] = Field(
        default=0, description="Each firing is late by a random time up to this."
    )

    @model_validator(mode="before")
    @classmethod
    def _is_of_one_kind(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and sum(kind in data for kind in _KINDS) != 1:
            raise ValueError("give exactly one of cron, interval and calendar")
        return data  # pyright: ignore[reportUnknownVariableType]

    def contract(self) -> contract.Spec:
        """Return it as the domain keeps it."""
        given = self.model_dump(exclude_unset=True)
        for kind in ("cron", "calendar"):
            if kind in given and not isinstance(given[kind], list):
                given[kind] = [given[kind]]
        return contract.Spec.model_validate(given)


class CreateSchedule(Body):
    """Start executions of a published graph at times."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "workflow_id": "workflow_xyz",
                    "name": "Morning report",
                    "input_data": {"query": "News of the night"},
                    "spec": {"cron": "0 7 * * mon-fri", "time_zone": "Europe/Berlin"},
                }
            ]
        }
    )

    workflow_id: str = Field(min_length=1, max_length=255, description=WORKFLOW)
    spec: Spec
    name: Name | None = None
    input_data: JsonObject = Field(default_factory=dict, description="Checked against the graph's input schema.")
    metadata: Metadata = Field(
        default_factory=dict, description="Of the executions, which get `schedule_id` and `scheduled_at` besides."
    )
    overlap: Overlap = Field(default="skip", description=_WHEN_OPEN)
    catchup_window_seconds: CatchupWindow = model.DEFAULT_CATCHUP
    pause_on_failure: bool = Field(default=False, description="An execution that fails pauses the schedule.")
    paused: bool = False
    note: Note | None = None

    def command(self) -> model.CreateSchedule:
        """Return what the domain is asked for."""
        values = {name: getattr(self, name) for name in type(self).model_fields if name != "spec"}
        return model.CreateSchedule(spec=self.spec.contract(), **values)


class PatchSchedule(Body):
    """Change a schedule; what is left out stays. `spec` is replaced as a whole."""

    workflow_id: str = Field(
        default="", min_length=1, max_length=255, description=WORKFLOW, json_schema_extra=leave_out_default
    )
    spec: Spec = Field(default=cast("Spec", None), json_schema_extra=leave_out_default)
    name: Name | None = None
    input_data: JsonObject = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)
    overlap: Overlap = Field(default="skip", description=_WHEN_OPEN, json_schema_extra=leave_out_default)
    catchup_window_seconds: CatchupWindow = Field(default=0, json_schema_extra=leave_out_default)
    pause_on_failure: bool = Field(default=False, json_schema_extra=leave_out_default)
    paused: bool = Field(default=False, json_schema_extra=leave_out_default)
    note: Note | None = None

    def changes(self) -> dict[str, Any]:
        """Return the members that were sent."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return given | ({"spec": self.spec.contract()} if "spec" in given else {})


class Pause(Body):
    """Pause or unpause a schedule."""

    note: Note | None = None


class Trigger(Body):
    """Fire now."""

    overlap: Overlap | None = Field(default=None, description="Other than the schedule's own.")


class Backfill(Trigger):
    """Fire for the times of a period in the past."""

    start: Time = Field(description="The first moment.")
    end: Time = Field(description="The last moment.")


class ScheduleSummary(BaseModel):
    """A schedule as lists show it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str | None
    workflow_id: str = Field(description="uuid of the graph.")
    input_data: Json
    metadata: JsonObject
    spec: contract.Spec
    overlap: Overlap
    catchup_window_seconds: int
    pause_on_failure: bool
    paused: bool
    note: str | None
    status_detail: str | None = Field(description='"waiting for Temporal" until it fires in its present form.')
    created_by: str
    created_at: datetime
    updated_at: datetime


class ScheduleRun(BaseModel):
    """A firing."""

    model_config = ConfigDict(from_attributes=True)

    scheduled_at: datetime = Field(description="For which time.")
    started_at: datetime
    execution_id: str | None = Field(description="None when none could be started; `error` tells why.")
    status: str | None = Field(description="Of the execution; of the firing, when there is none.")
    error: JsonObject | None = Field(description="code and message.")


class Schedule(ScheduleSummary):
    """A schedule as Temporal has it at this moment."""

    next_runs: list[datetime] = Field(description="The next five times; none while it is paused.")
    recent_runs: list[ScheduleRun] = Field(description="The last ten firings, newest first.")
    running: list[str] = Field(description="Executions of these that have not ended.")
    runs: int = Field(description="How often it fired.")
    skipped: int = Field(description="How often it did not, because of an overlap.")
    missed: int = Field(description="How often it did not, because that was longer ago than the catch-up window.")

    @classmethod
    def of(cls, schedule: model.Schedule) -> Self:
        """Make it of what the domain shows."""
        activity = schedule.activity or model.ScheduleActivity()
        known = {name: getattr(activity, name) for name in type(activity).__dataclass_fields__}
        runs = [ScheduleRun.model_validate(run) for run in known.pop("recent_runs")]
        shown = {name: getattr(schedule, name) for name in ScheduleSummary.model_fields}
        return cls(**shown, **known, recent_runs=runs)


class ScheduleList(BaseModel):
    """A page of schedules, newest first."""

    model_config = ConfigDict(from_attributes=True)

    items: list[ScheduleSummary]
    total: int
    page: int
    page_size: int
    anchor: int | None = Field(description="Sent with the next page, it keeps later schedules out of the pages.")


def schedule_list(page: Page[Any]) -> ScheduleList:
    """Return the page in omium's envelope."""
    return ScheduleList.model_validate(page)
