"""What executions cause at the servers: events and actions at Temporal, commits and bytes on PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from statistics import fmean

import psycopg
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from sides.side import Side
from sides.stored import FolderStore, PostgresqlStore, SqliteStore, Store

_SAMPLE = 10
_ACTIONS = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED,
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
}
"""Events that Temporal Cloud bills as an action each."""

_READ = """
    SELECT (SELECT sum(xact_commit) FROM pg_stat_database), (SELECT wal_bytes FROM pg_stat_wal),
           (SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal')
"""


def label(store: Store) -> str:
    """Say what is stored there."""
    match store:
        case PostgresqlStore(dsn):
            return dsn.rpartition("/")[2]
        case SqliteStore(file):
            return file.stem
        case FolderStore(folder):
            return folder.name
        case _:
            raise TypeError(store)


def actions(events: Sequence[HistoryEvent]) -> int:
    """Count the actions among the events of a history."""
    local = [event.marker_recorded_event_attributes.marker_name for event in events]
    return sum(event.event_type in _ACTIONS for event in events) + local.count("core_local_activity")


class Traffic:
    """Reads the servers' own counters."""

    def __init__(self, address: str) -> None:
        """Take the address of Temporal."""
        self._address = address

    def stored(self, side: Side) -> dict[str, int]:
        """Return the bytes of a side's stores, by what is stored there."""
        return {label(store): sum(store.bytes().values()) for store in side.stores}

    def read(self, side: Side) -> dict[str, float]:
        """Return PostgreSQL's counters; none where there is none. It counts for all of its databases together."""
        dsn = next((store.dsn for store in side.stores if isinstance(store, PostgresqlStore)), None)
        if dsn is None:
            return {}
        with psycopg.connect(dsn, autocommit=True) as connection:
            found = connection.execute(_READ).fetchone()
        assert found is not None
        return dict(zip(("commits", "wal bytes", "wal syncs"), map(float, found), strict=True))

    async def idle(self, side: Side, seconds: float) -> dict[str, float]:
        """Return what PostgreSQL counts a second while nothing is asked of it: queues are polled all the time."""
        before, at = self.read(side), time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - at
        return {name: (value - before[name]) / took for name, value in self.read(side).items()}

    async def history(self, workflow: str, began: datetime) -> dict[str, float]:
        """Return the means of some of the executions since a moment."""
        client = await Client.connect(self._address)
        query = f"WorkflowType = '{workflow}' AND StartTime >= '{began.isoformat()}' AND ExecutionStatus = 'Completed'"
        found: list[tuple[int, int, int]] = []
        async for each in client.list_workflows(query, limit=_SAMPLE):
            handle = client.get_workflow_handle(each.id, run_id=each.run_id)
            events = [event async for event in handle.fetch_history_events()]
            info = (await handle.describe()).raw_description.workflow_execution_info
            found.append((len(events), info.state_transition_count, actions(events)))
        kinds = zip(*found, strict=True)
        return {
            name: round(fmean(of), 2) for name, of in zip(("events", "transitions", "actions"), kinds, strict=False)
        }
