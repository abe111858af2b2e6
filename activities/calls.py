"""The activity that writes down a call when it has ended."""

from __future__ import annotations

from temporalio import activity

from cairn.contracts.calls import RECORD_CALL, CallRecord
from cairn.contracts.operations import Nothing
from cairn.domain.calls.records import write_call
from cairn.persistence.session import Database


class CallRecords:
    """Writes calls into a worker's database."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    @activity.defn(name=RECORD_CALL.name)
    async def record_call(self, told: CallRecord) -> Nothing:
        """Write what is known of a call; one that a reset dispatched anew is past, and not written again."""
        if activity.info().workflow_run_id == told.run_id:
            async with self._database.transaction() as session:
                await write_call(session, told)
        return Nothing()
