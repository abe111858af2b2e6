"""Histories as events."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio import workflow
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, MarkerRecordedEventAttributes
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter

from cairn.contracts.operations import LAND, Landing
from cairn.temporal.events import Landed, TaskStarted
from cairn.temporal.history import read


async def test_the_clock_of_a_workflow_task_is_the_workflows(monkeypatch) -> None:
    for nanos in (851314600, 851314400, 999999900, 1):
        stamp = Timestamp(seconds=1795326291, nanos=nanos)
        event = HistoryEvent(event_id=3, event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED, event_time=stamp)
        (started,) = await read([event], DataConverter.default)
        assert isinstance(started, TaskStarted)
        assert started.at == now_in_workflow(stamp, monkeypatch)


async def test_landing_takes_time_also_by_the_workflows_clock(monkeypatch) -> None:
    stamp = Timestamp(seconds=1795326291, nanos=851314600)
    ended = {"seconds": stamp.seconds, "nanos": stamp.nanos}
    converter = pydantic_data_converter
    told = {
        "data": Payloads(payloads=await converter.encode([{"activity_type": LAND.name, "complete_time": ended}])),
        "result": Payloads(payloads=await converter.encode([Landing(run_id="r1")])),
    }
    marker = MarkerRecordedEventAttributes(marker_name="core_local_activity", details=told)
    kind = EventType.EVENT_TYPE_MARKER_RECORDED
    (landed,) = await read(
        [HistoryEvent(event_id=5, event_type=kind, marker_recorded_event_attributes=marker)], converter
    )
    assert isinstance(landed, Landed)
    assert (landed.landing.run_id, landed.clock) == ("r1", now_in_workflow(stamp, monkeypatch))


def now_in_workflow(stamp: Timestamp, monkeypatch) -> datetime:
    """Return what a workflow is told, which has nothing but the SDK's float."""
    monkeypatch.setattr(workflow._context, "time", lambda: stamp.ToNanoseconds() / 1e9)
    return workflow.now()
