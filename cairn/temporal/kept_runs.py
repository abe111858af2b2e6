"""What finished runs left to those that go on from them, kept so that no process reads their histories again.

A run that has gone on in a new one (continue-as-new) is history for good. The fold over it is stored beside the large
payloads: encrypted as they are, and removed with them when Temporal knows the execution no more (its path is that of
a blob of the execution, of the day on which the run began). It is a cache: what is not there is read from history.
"""

from __future__ import annotations

import zlib
from datetime import datetime

import obstore
from google.protobuf.message import DecodeError
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import ObjectStore
from pydantic import TypeAdapter
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from cairn.observability import get_logger
from cairn.temporal.blobs import BlobPath
from cairn.temporal.checkpoint import LeftRun
from cairn.temporal.encryption import PayloadDamaged, PayloadKeyUnknown

VERSION = 1
"""Of what is kept and of the fold that finds it; another one is never read."""

_UNREADABLE = (ObstoreError, OSError, DecodeError, PayloadKeyUnknown, PayloadDamaged, ValueError, zlib.error)
_log = get_logger("cairn.runs")


_ADAPTER = TypeAdapter(LeftRun)


class KeptRuns:
    """The runs of one namespace."""

    def __init__(self, store: ObjectStore, codec: PayloadCodec | None, namespace: str) -> None:
        """Take where they are kept, and what encrypts them."""
        self._store = store
        self._codec = codec
        self._namespace = namespace

    async def load(self, temporal_id: str, run_id: str, began: datetime) -> LeftRun | None:
        """Return what a run left, None when it has not been kept or cannot be read."""
        try:
            found = await obstore.get_async(self._store, self._path(temporal_id, run_id, began))
            payload = Payload.FromString(bytes(await found.bytes_async()))
            (payload,) = await self._codec.decode([payload]) if self._codec is not None else [payload]
            return _ADAPTER.validate_json(zlib.decompress(payload.data))
        except FileNotFoundError:
            return None
        except _UNREADABLE as error:
            _log.warning("a finished run could not be loaded, its history is read", run_id=run_id, detail=str(error))
            return None

    async def save(self, temporal_id: str, left: LeftRun, began: datetime) -> None:
        """Keep what a run left; should that fail, the run is read again another time."""
        payload = Payload(metadata={"encoding": b"binary/plain"}, data=zlib.compress(_ADAPTER.dump_json(left)))
        (payload,) = await self._codec.encode([payload]) if self._codec is not None else [payload]
        try:
            path = self._path(temporal_id, left.run_id, began)
            await obstore.put_async(self._store, path, payload.SerializeToString())
        except (ObstoreError, OSError) as error:
            _log.warning("a finished run could not be kept", run_id=left.run_id, detail=str(error))

    def _path(self, temporal_id: str, run_id: str, began: datetime) -> str:
        return str(BlobPath(self._namespace, began.date(), (temporal_id,), f"run-{VERSION}-{run_id}"))
