"""Histories as events."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

from cairn.temporal.history import TaskStarted, read


async def test_the_clock_of_a_workflow_task_is_the_workflows(monkeypatch) -> None:
    for nanos in (851314600, 851314400, 999999900, 1):
        stamp = Timestamp(seconds=1795326291, nanos=nanos)
        event = HistoryEvent(event_id=3, event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED, event_time=stamp)
        (started,) = await read([event], DataConverter.default)
        assert isinstance(started, TaskStarted)
        assert started.at == now_in_workflow(stamp, monkeypatch)


def now_in_workflow(stamp: Timestamp, monkeypatch) -> datetime:
    """Return what a workflow is told, which has nothing but the SDK's float."""
    monkeypatch.setattr(workflow._context, "time", lambda: stamp.ToNanoseconds() / 1e9)
    return workflow.now()
