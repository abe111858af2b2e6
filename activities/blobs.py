"""The activity that removes stored payloads which no history refers to."""

from __future__ import annotations

from datetime import UTC, datetime

from temporalio import activity
from temporalio.client import Client

from cairn.contracts.blobs import COLLECT_BLOBS, Swept
from cairn.contracts.operations import Nothing
from cairn.object_store import open_store
from cairn.settings import Settings
from cairn.temporal.blob_sweep import BlobSweep


class BlobActivities:
    """The activity, over the worker's client."""

    def __init__(self, settings: Settings, client: Client) -> None:
        """Take what it works with."""
        self._settings = settings
        self._client = client

    @activity.defn(name=COLLECT_BLOBS.name)
    async def collect_blobs(self, request: Nothing) -> Swept:
        """Sweep once."""
        sweep = BlobSweep(self._client, open_store(self._settings.blobs), beat=activity.heartbeat)
        return await sweep.run(datetime.now(UTC).date())
