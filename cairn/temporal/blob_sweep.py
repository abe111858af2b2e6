"""Removes stored payloads that no history refers to any more.

An object may go when Temporal knows none of its owners any more: their histories are past retention or were deleted.
Resets and continued runs keep the workflow id, so they keep what they refer to. No history is read for this.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from datetime import date, timedelta

import obstore
from obstore.store import ObjectStore
from temporalio.client import Client, ScheduleActionStartWorkflow
from temporalio.service import RPCError

from cairn.contracts.blobs import Swept
from cairn.temporal.blobs import BlobPath, days_folder
from cairn.temporal.connection import RPC_TIMEOUT, answered, answered_all, is_unknown

GRACE_DAYS = 2
"""Objects are looked at when they were written at least so many days (UTC) ago: a start may still be under way."""

_ASKED_AT_ONCE = 50


class BlobSweep:
    """One sweep over the objects of the client's namespace."""

    def __init__(self, client: Client, store: ObjectStore, *, beat: Callable[[], None] = lambda: None) -> None:
        """Take what it works with.

        Args:
            client: of the namespace whose histories refer to the objects.
            store: of the objects.
            beat: called now and then.
        """
        self._client = client
        self._store = store
        self._beat = beat
        self._known: dict[str, bool] = {}
        self._scheduled: set[str] | None = None

    async def run(self, today: date, *, dry_run: bool = False) -> Swept:
        """Remove what can go.

        Args:
            today: the day in UTC.
            dry_run: only count.

        Raises:
            Unavailable: Temporal does not answer; what is not removed stays for the next sweep.
            obstore.exceptions.BaseError: the storage does not answer.
        """
        swept = Swept()
        for day in await self._days():
            if day <= today - timedelta(days=GRACE_DAYS):
                async for found in self._objects(day):
                    now = await self._sweep(found, dry_run)
                    swept.kept, swept.removed, swept.freed = (
                        swept.kept + now.kept,
                        swept.removed + now.removed,
                        swept.freed + now.freed,
                    )
        return swept

    async def _days(self) -> list[date]:
        listed = await obstore.list_with_delimiter_async(self._store, prefix=days_folder(self._client.namespace))
        return sorted(date.fromisoformat(folder.rpartition("/")[2]) for folder in listed["common_prefixes"])

    async def _objects(self, day: date) -> AsyncIterator[list[tuple[BlobPath, int]]]:
        prefix = f"{days_folder(self._client.namespace)}/{day.isoformat()}"
        async for batch in obstore.list(self._store, prefix=prefix):
            yield [(BlobPath.parse(found["path"]), found["size"]) for found in batch]

    async def _sweep(self, found: list[tuple[BlobPath, int]], dry_run: bool) -> Swept:
        await self._learn({owner for path, _ in found for owner in path.owners})
        gone = [(path, size) for path, size in found if not any(self._known[owner] for owner in path.owners)]
        if gone and not dry_run:
            await obstore.delete_async(self._store, [str(path) for path, _ in gone])
        return Swept(kept=len(found) - len(gone), removed=len(gone), freed=sum(size for _, size in gone))

    async def _learn(self, owners: Iterable[str]) -> None:
        """Find out which of the workflows Temporal knows: many at once by their list, the others one by one."""
        unknown = [owner for owner in owners if owner not in self._known]
        for first in range(0, len(unknown), _ASKED_AT_ONCE):
            asked = unknown[first : first + _ASKED_AT_ONCE]
            names = ", ".join(_quoted(owner) for owner in asked)
            listed = self._client.list_workflows(f"WorkflowId IN ({names})", rpc_timeout=RPC_TIMEOUT)
            self._known.update({run.id: True async for run in answered_all(listed)})
            self._beat()
        for owner in unknown:
            # The list lags and is no authority, so nothing is removed on its word.
            if owner not in self._known:
                self._known[owner] = await self._exists(owner) or await self._is_scheduled(owner)
                self._beat()

    async def _exists(self, workflow_id: str) -> bool:
        try:
            await answered(self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=RPC_TIMEOUT))
        except RPCError as error:
            if is_unknown(error):
                return False
            raise
        return True

    async def _is_scheduled(self, workflow_id: str) -> bool:
        """Whether it is the name from which a schedule makes ids: its argument was stored under that name."""
        if self._scheduled is None:
            self._scheduled = {action async for action in self._schedules()}
        query = f"WorkflowId STARTS_WITH {_quoted(workflow_id + '-')}"
        listed = self._client.list_workflows(query, limit=1, rpc_timeout=RPC_TIMEOUT)
        return workflow_id in self._scheduled or bool([run async for run in answered_all(listed)])

    async def _schedules(self) -> AsyncIterator[str]:
        async for listed in answered_all(await answered(self._client.list_schedules(rpc_timeout=RPC_TIMEOUT))):
            try:
                handle = self._client.get_schedule_handle(listed.id)
                described = await answered(handle.describe(rpc_timeout=RPC_TIMEOUT))
            except RPCError as error:
                if is_unknown(error):
                    continue
                raise
            if isinstance(action := described.schedule.action, ScheduleActionStartWorkflow):
                yield action.id


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
