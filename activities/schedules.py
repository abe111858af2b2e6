"""Activities of a schedule's firing."""

from __future__ import annotations

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from cairn.contracts.executions import CLOSED, Phase
from cairn.contracts.operations import Nothing
from cairn.contracts.schedules import (
    DISCARD_SCHEDULED,
    LOOK_AT_EXECUTION,
    NOTE_SCHEDULED,
    PREPARE_SCHEDULED,
    Discarded,
    FiringRequest,
    Look,
    ScheduledExecution,
    Seen,
    StartedScheduled,
)
from cairn.domain.executions.start import note_start
from cairn.domain.schedules import firing
from cairn.errors import CairnError, Unavailable
from cairn.persistence.session import Database
from cairn.settings import Settings
from cairn.temporal.executions import ExecutionClient
from workflows.failures import application_error


class ScheduleActivities:
    """The activities, over the worker's database and client."""

    def __init__(self, database: Database, executions: ExecutionClient, settings: Settings) -> None:
        """Take what they work with."""
        self.database = database
        self.executions = executions
        self.settings = settings

    @activity.defn(name=PREPARE_SCHEDULED.name)
    async def prepare_scheduled(self, request: FiringRequest) -> ScheduledExecution:
        """Make the execution's row, once however often this is tried."""
        try:
            async with self.database.transaction() as session:
                return await firing.prepare(session, self.executions, self.settings, request)
        except CairnError as error:
            raise application_error(error, retryable=isinstance(error, Unavailable)) from error

    @activity.defn(name=NOTE_SCHEDULED.name)
    async def note_scheduled(self, started: StartedScheduled) -> Nothing:
        """Note in the row that its workflow has been started."""
        async with self.database.transaction() as session:
            await note_start(session, started.temporal_id, started.run_id)
        return Nothing()

    @activity.defn(name=DISCARD_SCHEDULED.name)
    async def discard_scheduled(self, discarded: Discarded) -> Nothing:
        """Let the execution that was not started be a cancelled one."""
        async with self.database.transaction() as session:
            await firing.discard(session, discarded.temporal_id)
        return Nothing()

    @activity.defn(name=LOOK_AT_EXECUTION.name)
    async def look_at_execution(self, look: Look) -> Seen:
        """Tell how the execution ended; until it has, this fails and is tried again."""
        now = await self.executions.describe(look.temporal_id)
        if now is not None and now.phase not in CLOSED:
            raise ApplicationError("the execution has not ended", type="open", category=ApplicationErrorCategory.BENIGN)
        return Seen(ended=now.phase if now else Phase.CANCELLED)
