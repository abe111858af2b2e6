"""Callers' schedules in Temporal, which keeps their times; see ``schedules`` for those that a worker ensures."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import temporalio.api.enums.v1 as enums
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.schedule.v1 import BackfillRequest, SchedulePatch, TriggerImmediatelyRequest
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest, PatchScheduleRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleDescription,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from cairn import errors
from cairn.contracts.json import JsonObject
from cairn.contracts.operations import SEARCH_TENANT, SEARCH_WORKFLOW
from cairn.contracts.schedules import SCHEDULED_WORKFLOW_TYPE, Calendar, Firing, Overlap, Range, Spec
from cairn.settings import Settings
from cairn.temporal.connection import RPC_TIMEOUT, UnlessUnknown, answered, is_unknown
from cairn.temporal.encryption import EncryptionCodec
from cairn.temporal.priority import priority_of

BUSY = timedelta(seconds=30)
"""How long a schedule may take to tell of itself: one that fires for a long period answers between its firings only,
while Temporal itself answers at once."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """What a schedule in Temporal is made of.

    Attributes:
        id: of the schedule.
        tenant: owner.
        workflow_id: uuid of the graph.
        metadata: of the executions, for their priority.
        summary: what operators read in the Web UI.
        paused: whether it fires not.
        note: why, for people.
    """

    id: str
    tenant: str
    workflow_id: str
    metadata: JsonObject
    summary: str
    spec: Spec
    overlap: Overlap
    catchup_window: timedelta
    pause_on_failure: bool
    paused: bool
    note: str | None


@dataclass(frozen=True, slots=True)
class FiringSeen:
    """A firing as Temporal lists it.

    Attributes:
        firing_id: its Temporal workflow id.
        run_id: its run.
        scheduled_at: for which time it fired.
        started_at: when it did.
    """

    firing_id: str
    run_id: str
    scheduled_at: datetime
    started_at: datetime


@dataclass(frozen=True, slots=True)
class ScheduleSeen:
    """A schedule as Temporal describes it at this moment.

    Attributes:
        recent: the last ten firings, oldest first.
        running: Temporal workflow ids of the firings that are open, as far as the overlap policy minds them.
    """

    paused: bool
    note: str | None
    next_times: list[datetime]
    recent: list[FiringSeen]
    running: list[str]
    started: int
    skipped: int
    missed: int


@dataclass(frozen=True, slots=True)
class FiringEnd:
    """How a firing without an execution ended; ``error`` is {code, message} of a failed one."""

    status: Literal["running", "failed", "cancelled", "completed"] | None
    error: JsonObject | None = None


class ScheduleClient:
    """Schedules in Temporal."""

    def __init__(self, client: Client, settings: Settings) -> None:
        """Take the process's client."""
        self.client = client
        self.settings = settings
        codec = client.data_converter.payload_codec
        self.payload_key = codec.keys.first if isinstance(codec, EncryptionCodec) else None
        """Id of the key that a schedule is encrypted with when it is put now; None: it stays plain."""

    async def reach(self) -> None:
        """Make sure that Temporal answers.

        Raises:
            Unavailable: it does not.
        """
        await answered(self.client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=RPC_TIMEOUT))

    async def put(self, timetable: Timetable, *, set_state: bool) -> None:
        """Make the schedule be as told, whether it is there or not.

        Args:
            timetable: what it is to be.
            set_state: also whether it is paused; else a schedule that is there stays as it is.

        Raises:
            InvalidInput: Temporal does not take the times.
            Unavailable: Temporal does not answer.
        """
        wanted = self._schedule(timetable)

        def update(found: ScheduleUpdateInput) -> ScheduleUpdate:
            state = found.description.schedule.state
            if set_state:
                state = ScheduleState(paused=timetable.paused, note=timetable.note)
            return ScheduleUpdate(Schedule(wanted.action, wanted.spec, wanted.policy, state))

        if not await self._create(timetable, wanted):
            handle = self.client.get_schedule_handle(timetable.id)
            with _refusing_times():
                await answered(handle.update(update, rpc_timeout=BUSY), within=BUSY)

    async def check(self, timetable: Timetable) -> None:
        """Make sure that Temporal would take the schedule; what it has of it stays as it is.

        The server looks at the times before it looks whether there is a schedule of the id already. A schedule that it
        has lost is there again afterwards.

        Raises:
            InvalidInput: Temporal does not take the times.
            Unavailable: Temporal does not answer.
        """
        await self._create(timetable, self._schedule(timetable))

    async def _create(self, timetable: Timetable, wanted: Schedule) -> bool:
        """Make the schedule; False when there is one already."""
        try:
            with _refusing_times():
                await answered(
                    self.client.create_schedule(
                        timetable.id, wanted, search_attributes=_attributes(timetable), rpc_timeout=RPC_TIMEOUT
                    )
                )
        except ScheduleAlreadyRunningError:
            return False
        return True

    async def describe(self, schedule_id: str) -> ScheduleSeen | None:
        """Return the schedule as it is now, None when Temporal does not have it.

        Raises:
            Unavailable: Temporal does not answer.
        """
        await self.reach()
        try:
            handle = self.client.get_schedule_handle(schedule_id)
            return _seen(await answered(handle.describe(rpc_timeout=BUSY), within=BUSY))
        except RPCError as error:
            if is_unknown(error):
                return None
            raise

    async def delete(self, schedule_id: str) -> None:
        """Delete the schedule; harmless when it is gone. What it has started goes on.

        Raises:
            Unavailable: Temporal does not answer.
        """
        with UnlessUnknown():
            await answered(self.client.get_schedule_handle(schedule_id).delete(rpc_timeout=RPC_TIMEOUT))

    async def trigger(self, schedule_id: str, overlap: Overlap | None, request_id: str | None) -> None:
        """Fire now.

        Args:
            schedule_id: the schedule.
            overlap: other than the schedule's own.
            request_id: the same id fires once.

        Raises:
            Unavailable: Temporal does not answer.
        """
        request = TriggerImmediatelyRequest(overlap_policy=_policy(overlap))
        await self._patch(schedule_id, SchedulePatch(trigger_immediately=request), request_id)

    async def backfill(
        self, schedule_id: str, start: datetime, end: datetime, overlap: Overlap | None, request_id: str | None
    ) -> None:
        """Fire for the times of a period as if it passed now. Arguments as of ``trigger``."""
        # Temporal leaves out the period's first moment itself.
        first, last = (_timestamp(at) for at in (start - timedelta(milliseconds=1), end))
        request = BackfillRequest(start_time=first, end_time=last, overlap_policy=_policy(overlap))
        await self._patch(schedule_id, SchedulePatch(backfill_request=[request]), request_id)

    async def end_of(self, firing_id: str, run_id: str) -> FiringEnd | None:
        """Return how a firing ended, None when Temporal does not know it any more.

        Raises:
            Unavailable: Temporal does not answer.
        """
        handle = self.client.get_workflow_handle(firing_id, run_id=run_id)
        status = None
        try:
            status = (await answered(handle.describe(rpc_timeout=RPC_TIMEOUT))).status
            if status == WorkflowExecutionStatus.RUNNING:
                return FiringEnd("running")
            await answered(handle.result(rpc_timeout=RPC_TIMEOUT))
        except WorkflowFailureError as error:
            if status in (WorkflowExecutionStatus.CANCELED, WorkflowExecutionStatus.TERMINATED):
                return FiringEnd("cancelled")
            return FiringEnd("failed", _reason(error))
        except RPCError as error:
            if is_unknown(error):
                return None
            raise
        return FiringEnd("completed")

    async def paused_states(self) -> dict[str, tuple[bool, str | None]]:
        """Return of every schedule whether it is paused, and its note; Temporal's list may lag a little behind.

        Raises:
            Unavailable: Temporal does not answer.
        """
        listed = await answered(self.client.list_schedules(rpc_timeout=RPC_TIMEOUT))
        found: dict[str, tuple[bool, str | None]] = {}
        async for each in listed:
            if each.schedule is not None:
                found[each.id] = each.schedule.state.paused, each.schedule.state.note or None
        return found

    async def _patch(self, schedule_id: str, patch: SchedulePatch, request_id: str | None) -> None:
        request = PatchScheduleRequest(
            namespace=self.client.namespace,
            schedule_id=schedule_id,
            patch=patch,
            identity=self.client.identity,
            request_id=request_id or str(uuid.uuid4()),
        )
        await answered(self.client.workflow_service.patch_schedule(request, retry=True, timeout=RPC_TIMEOUT))

    def _schedule(self, timetable: Timetable) -> Schedule:
        return Schedule(
            action=ScheduleActionStartWorkflow(
                SCHEDULED_WORKFLOW_TYPE,
                Firing(schedule_id=timetable.id),
                id=timetable.id,
                task_queue=self.settings.task_queue,
                static_summary=timetable.summary,
                typed_search_attributes=_attributes(timetable),
                # The executions inherit it, as children.
                priority=priority_of(timetable.tenant, timetable.metadata, self.settings),
            ),
            spec=_times(timetable.spec),
            policy=SchedulePolicy(
                overlap=ScheduleOverlapPolicy[timetable.overlap.upper()],
                catchup_window=timetable.catchup_window,
                pause_on_failure=timetable.pause_on_failure,
            ),
            state=ScheduleState(paused=timetable.paused, note=timetable.note),
        )


@contextmanager
def _refusing_times() -> Generator[None]:
    try:
        yield
    except RPCError as error:
        if error.status != RPCStatusCode.INVALID_ARGUMENT:
            raise
        fields = [errors.FieldError("/spec", error.message)]
        raise errors.InvalidInput("Temporal does not take the times", errors=fields) from error


def _attributes(timetable: Timetable) -> TypedSearchAttributes:
    values = {SEARCH_TENANT: timetable.tenant, SEARCH_WORKFLOW: timetable.workflow_id}
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in values.items()]
    )


def _times(spec: Spec) -> ScheduleSpec:
    interval = spec.interval
    return ScheduleSpec(
        cron_expressions=spec.cron or [],
        intervals=[
            ScheduleIntervalSpec(timedelta(seconds=interval.every_seconds), timedelta(seconds=interval.offset_seconds))
        ]
        if interval
        else [],
        calendars=[_calendar(each) for each in spec.calendar or []],
        time_zone_name=spec.time_zone,
        start_at=spec.start_at,
        end_at=spec.end_at,
        jitter=timedelta(seconds=spec.jitter_seconds) if spec.jitter_seconds else None,
    )


def _calendar(calendar: Calendar) -> ScheduleCalendarSpec:
    def ranges(given: list[Range]) -> list[ScheduleRange]:
        return [ScheduleRange(each.start, each.start if each.end is None else each.end, each.step) for each in given]

    return ScheduleCalendarSpec(
        second=ranges(calendar.second),
        minute=ranges(calendar.minute),
        hour=ranges(calendar.hour),
        day_of_month=ranges(calendar.day_of_month),
        month=ranges(calendar.month),
        year=ranges(calendar.year),
        day_of_week=ranges(calendar.day_of_week),
        comment=calendar.comment,
    )


def _seen(found: ScheduleDescription) -> ScheduleSeen:
    info, state = found.info, found.schedule.state
    recent = [
        FiringSeen(each.action.workflow_id, each.action.first_execution_run_id, each.scheduled_at, each.started_at)
        for each in info.recent_actions
        if isinstance(each.action, ScheduleActionExecutionStartWorkflow)
    ]
    running = [
        each.workflow_id for each in info.running_actions if isinstance(each, ScheduleActionExecutionStartWorkflow)
    ]
    return ScheduleSeen(
        paused=state.paused,
        note=state.note or None,
        next_times=list(info.next_action_times),
        recent=recent,
        running=running,
        started=info.num_actions,
        skipped=info.num_actions_skipped_overlap,
        missed=info.num_actions_missed_catchup_window,
    )


def _reason(error: WorkflowFailureError) -> JsonObject:
    cause = error.cause
    while isinstance(cause, ActivityError) and cause.cause is not None:
        cause = cause.cause
    code = cause.type if isinstance(cause, ApplicationError) and cause.type else "error"
    return {"code": code, "message": getattr(cause, "message", None) or str(cause)}


def _policy(overlap: Overlap | None) -> enums.ScheduleOverlapPolicy.ValueType:
    named = (overlap or "unspecified").upper()  # unspecified: the schedule's own
    return enums.ScheduleOverlapPolicy.Value(f"SCHEDULE_OVERLAP_POLICY_{named}")


def _timestamp(at: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(at)
    return made
