"""A workflow's history as the events that the engine knows: decoded, typed, without Temporal's own bookkeeping."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, NotRequired, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel, Field, ValidationError
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter
from temporalio.exceptions import CancelledError, RetryState, TerminatedError, TimeoutError, TimeoutType
from typing_extensions import TypedDict

from cairn.contracts.children import MAP_WORKFLOW_TYPE, MapResult
from cairn.contracts.executions import (
    SIGNAL_ANSWER,
    SIGNAL_EVENT,
    SIGNAL_PARENT,
    UPDATE_ANSWER,
    UPDATE_CANCEL,
    UPDATE_MIGRATE,
    UPDATE_PATCH,
    UPDATE_PAUSE,
    UPDATE_RESUME,
    Answer,
    Cancel,
    Command,
    ExecutionInput,
    ExecutionResult,
    Migrate,
    OutsideEvent,
    ParentCommand,
    Patch,
    Pause,
    Phase,
    Resume,
)
from cairn.contracts.nodes import NodeResult
from cairn.contracts.operations import LAND, Landing
from cairn.temporal.damage import HistoryDamaged
from cairn.temporal.events import (
    ChildCompleted,
    ChildFailed,
    ChildInitiated,
    Closed,
    Commanded,
    Event,
    Landed,
    LetGo,
    News,
    Signalled,
    Started,
    TaskCompleted,
    TaskCutOff,
    TaskStarted,
    WasReset,
    WorkCompleted,
    WorkFailed,
    WorkScheduled,
    WorkStarted,
)

T = TypeVar("T")

COMMANDS: dict[str, type[Command]] = {
    UPDATE_PAUSE: Pause,
    UPDATE_RESUME: Resume,
    UPDATE_PATCH: Patch,
    UPDATE_CANCEL: Cancel,
    UPDATE_ANSWER: Answer,
    UPDATE_MIGRATE: Migrate,
}
SIGNALS: dict[str, type[Answer | OutsideEvent | ParentCommand]] = {
    SIGNAL_ANSWER: Answer,
    SIGNAL_EVENT: OutsideEvent,
    SIGNAL_PARENT: ParentCommand,
}


class _Stamp(TypedDict):
    seconds: Annotated[int, Field(ge=0, lt=1 << 37)]
    nanos: NotRequired[Annotated[int, Field(ge=0, lt=10**9)]]


class _Done(BaseModel):
    """What Temporal's SDK writes down of a local activity that ended."""

    activity_type: str | None = None
    complete_time: _Stamp | None = None


_LOCAL_ACTIVITY = "core_local_activity"
_NEWS = {
    EventType.EVENT_TYPE_TIMER_FIRED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
}


async def read(events: Iterable[HistoryEvent], converter: DataConverter) -> list[Event]:
    """Return the engine's events of a part of a history, in order.

    Raises:
        BlobError: a payload that left history cannot be read (see :mod:`cairn.temporal.blobs`).
        HistoryDamaged: a payload is not what its event holds.
    """
    found: list[Event] = []
    for raw in events:
        try:
            event = await _read(raw, converter)
        except (ValidationError, KeyError) as error:  # other JSON or none; an encoding that nobody knows
            raise HistoryDamaged(f"What event {raw.event_id} holds cannot be read.") from error
        found += [event] if event is not None else []
    return found


async def _read(raw: HistoryEvent, converter: DataConverter) -> Event | None:
    at = _time(raw.event_time)
    match raw.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            started = raw.workflow_execution_started_event_attributes
            start = await _one(converter, started.input, ExecutionInput)
            return Started(
                raw.event_id,
                at,
                start,
                started.original_execution_run_id,
                started.workflow_id,
                started.continued_execution_run_id or None,
            )
        case EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
            task = raw.workflow_task_started_event_attributes
            size = task.history_size_bytes
            return TaskStarted(raw.event_id, _clock(raw.event_time), task.suggest_continue_as_new, size)
        case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            started_id = raw.workflow_task_completed_event_attributes.started_event_id
            return TaskCompleted(raw.event_id, at, started_id)
        case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            return _task_failed(raw, at)
        case EventType.EVENT_TYPE_MARKER_RECORDED:
            return await _landed(raw, at, converter)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            return await _commanded(raw, at, converter)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            signalled = raw.workflow_execution_signaled_event_attributes
            model = SIGNALS.get(signalled.signal_name)
            known = Signalled(raw.event_id, at, await _one(converter, signalled.input, model)) if model else None
            return known or News(raw.event_id, at)
        case kind if kind in _NEWS:
            return News(raw.event_id, at)
        case _:
            return (
                await _work(raw, at, converter) or await _child(raw, at, converter) or await _closed(raw, at, converter)
            )


def _task_failed(raw: HistoryEvent, at: datetime) -> WasReset | TaskCutOff | None:
    failed = raw.workflow_task_failed_event_attributes
    match failed.cause:
        case WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW:
            return WasReset(raw.event_id, at, failed.base_run_id, failed.new_run_id, failed.failure.message)
        case WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND:
            return TaskCutOff(raw.event_id, at)
        case _:
            return None


async def _landed(raw: HistoryEvent, at: datetime, converter: DataConverter) -> Landed | None:
    marker = raw.marker_recorded_event_attributes
    if marker.marker_name == _LOCAL_ACTIVITY and not marker.HasField("failure"):
        done = await _one(converter, marker.details["data"], _Done) if "data" in marker.details else _Done()
        if done.activity_type == LAND.name and "result" in marker.details:
            landing = await _one(converter, marker.details["result"], Landing)
            ended = done.complete_time
            return Landed(raw.event_id, at, landing, _clock(Timestamp(**ended)) if ended else None)
    return None


async def _commanded(raw: HistoryEvent, at: datetime, converter: DataConverter) -> Commanded | None:
    request = raw.workflow_execution_update_accepted_event_attributes.accepted_request
    model = COMMANDS.get(request.input.name)
    if model is None:
        return None
    return Commanded(raw.event_id, at, await _one(converter, request.input.args, model), request.meta.update_id)


async def _work(raw: HistoryEvent, at: datetime, converter: DataConverter) -> Event | None:
    match raw.event_type:
        case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            return WorkScheduled(raw.event_id, at, raw.activity_task_scheduled_event_attributes.activity_id)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started = raw.activity_task_started_event_attributes
            return WorkStarted(raw.event_id, at, started.scheduled_event_id, started.attempt)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED:
            scheduled_id = raw.activity_task_cancel_requested_event_attributes.scheduled_event_id
            return LetGo(raw.event_id, at, scheduled_id)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            completed = raw.activity_task_completed_event_attributes
            result = await _one(converter, completed.result, NodeResult)
            return WorkCompleted(raw.event_id, at, completed.scheduled_event_id, result)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
            failed = raw.activity_task_failed_event_attributes
            cause = await _failure(converter, failed.failure)
            return WorkFailed(raw.event_id, at, failed.scheduled_event_id, cause, _retry(failed.retry_state))
        case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
            out = raw.activity_task_timed_out_event_attributes
            cause = await _failure(converter, out.failure)
            if not isinstance(cause, TimeoutError):
                cause = TimeoutError("timed out", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[])
            return WorkFailed(raw.event_id, at, out.scheduled_event_id, cause, _retry(out.retry_state))
        case _:
            return None


async def _child(raw: HistoryEvent, at: datetime, converter: DataConverter) -> Event | None:
    match raw.event_type:
        case EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
            initiated = raw.start_child_workflow_execution_initiated_event_attributes
            return ChildInitiated(raw.event_id, at, initiated.workflow_id)
        case EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED:
            completed = raw.child_workflow_execution_completed_event_attributes
            model = MapResult if completed.workflow_type.name == MAP_WORKFLOW_TYPE else ExecutionResult
            result = await _one(converter, completed.result, model)
            return ChildCompleted(raw.event_id, at, completed.workflow_execution.workflow_id, result)
        case EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED:
            failed = raw.child_workflow_execution_failed_event_attributes
            cause = await _failure(converter, failed.failure)
            return ChildFailed(raw.event_id, at, failed.workflow_execution.workflow_id, cause)
        case EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED:
            child = raw.child_workflow_execution_canceled_event_attributes.workflow_execution
            return ChildFailed(raw.event_id, at, child.workflow_id, CancelledError())
        case EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED:
            child = raw.child_workflow_execution_terminated_event_attributes.workflow_execution
            return ChildFailed(raw.event_id, at, child.workflow_id, TerminatedError("terminated"))
        case EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT:
            child = raw.child_workflow_execution_timed_out_event_attributes.workflow_execution
            out = TimeoutError("timed out", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[])
            return ChildFailed(raw.event_id, at, child.workflow_id, out)
        case _:
            return None


async def _closed(raw: HistoryEvent, at: datetime, converter: DataConverter) -> Closed | None:
    match raw.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
            result = raw.workflow_execution_completed_event_attributes.result
            return Closed(raw.event_id, at, Phase.COMPLETED, result=await _one(converter, result, ExecutionResult))
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
            failure = raw.workflow_execution_failed_event_attributes.failure
            return Closed(raw.event_id, at, Phase.FAILED, error=await _failure(converter, failure))
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
            return Closed(raw.event_id, at, Phase.FAILED, error=RuntimeError("the execution timed out"))
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
            return Closed(raw.event_id, at, Phase.CANCELLED)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
            return Closed(raw.event_id, at, Phase.CANCELLED, terminated=True)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
            return Closed(raw.event_id, at, None)
        case _:
            return None


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)


def _clock(stamp: Timestamp) -> datetime:
    """Return the time as ``workflow.now`` does, which rounds a float: deadlines are compared to the microsecond."""
    return datetime.fromtimestamp(stamp.ToNanoseconds() / 1e9, UTC)


def _retry(state: int) -> RetryState | None:
    return RetryState(state) if state else None


async def _failure(converter: DataConverter, failure: Failure) -> BaseException:
    copy = Failure()
    copy.CopyFrom(failure)  # decoding works in place, and histories are cached
    return await converter.decode_failure(copy)


async def _one(converter: DataConverter, payloads: Payloads, model: type[T]) -> T:
    values: list[Any] = await converter.decode(payloads.payloads, [model])
    return values[0] if values else model()
