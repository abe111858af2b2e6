"""The engine's own activities: landing, telling lists, asking for cancellation, reconciling."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.failures import final
from cairn.contracts.executions import SIGNAL_CANCELLING
from cairn.contracts.operations import (
    LAND,
    RECONCILE,
    RECORD,
    REQUEST_CANCEL,
    CancelRequest,
    Landing,
    LandRequest,
    Nothing,
    ReconcileRequest,
    Record,
)
from cairn.domain.executions import workflow_side
from cairn.domain.executions.orphans import Orphans
from cairn.domain.executions.reconcile import Reconciler
from cairn.domain.schedules.reconcile import ScheduleReconciler
from cairn.domain.uploads import sweep
from cairn.errors import CairnError
from cairn.object_store import open_store
from cairn.persistence.session import Database
from cairn.persistence.types import utc_now
from cairn.temporal.connection import UnlessUnknown
from cairn.temporal.executions import ExecutionClient
from cairn.temporal.schedule_client import ScheduleClient

LOOK_BACK = timedelta(minutes=10)
"""How far back a spell of reconciling looks for ended executions: longer than two spells are apart."""


class ExecutionActivities:
    """The activities, over the worker's database and client."""

    def __init__(self, database: Database, executions: ExecutionClient) -> None:
        """Take what they work with."""
        self.database = database
        self.executions = executions

    @activity.defn(name=LAND.name)
    async def land(self, request: LandRequest) -> Landing:
        """Tell the workflow in which run it stands."""
        run_id = activity.info().workflow_run_id or ""
        try:
            async with self.database.transaction() as session:
                landing = await workflow_side.land(session, self.executions, request, run_id)
            return landing.model_copy(update={"history_limit": self.executions.settings.history_limit})
        except CairnError as error:
            raise final(error) from error

    @activity.defn(name=RECORD.name)
    async def record(self, told: Record) -> Nothing:
        """Write a change of state into the execution's row."""
        async with self.database.transaction() as session:
            await workflow_side.record(session, told)
        return Nothing()

    @activity.defn(name=REQUEST_CANCEL.name)
    async def request_cancel(self, request: CancelRequest) -> Nothing:
        """Ask Temporal to cancel the run, or for another workflow task in which to ask for that."""
        handle = self.executions.client.get_workflow_handle(request.temporal_id, run_id=request.run_id)
        with UnlessUnknown():  # it has ended meanwhile
            await (handle.signal(SIGNAL_CANCELLING) if request.announce else handle.cancel())
        return Nothing()

    @activity.defn(name=RECONCILE.name)
    async def reconcile(self, request: ReconcileRequest) -> Nothing:
        """Look again and again for the given time; a worker that stops hands the rest of the time to the next one."""
        reconciler = Reconciler(self.database, self.executions, since=utc_now() - LOOK_BACK)
        schedules = ScheduleReconciler(self.database, ScheduleClient(self.executions.client, self.executions.settings))
        orphans = Orphans(self.database, self.executions)
        await reconciler.purge()
        await sweep(self.database, open_store(self.executions.settings.storage))
        await schedules.follow()
        end = time.monotonic() + request.seconds
        while time.monotonic() < end:
            activity.heartbeat()
            await reconciler.once()
            await orphans.once()
            await schedules.once()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(activity.wait_for_worker_shutdown(), request.interval)
                raise ApplicationError(
                    "the worker stops",
                    type="worker_stops",
                    next_retry_delay=timedelta(seconds=1),
                    category=ApplicationErrorCategory.BENIGN,
                )
        return Nothing()
