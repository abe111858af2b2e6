"""What models and tools have said to each other, kept outside of history: a document a turn, each naming the last one.

History and the messages between activities hold a reference of constant size, however long a conversation becomes. A
document is kept as large payloads are: encrypted if payloads are, for as long as Temporal knows its execution.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from pydantic import ValidationError
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelRequest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import (
    PayloadCodec,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)

from cairn.temporal.blobs import BlobDamaged, BlobMissing, BlobPath, claim_of, path_of

_CACHED_BYTES = 32 * 1024 * 1024
_METADATA = {"encoding": b"json/plain"}


@dataclass(frozen=True, slots=True)
class _Turn:
    previous: str | None
    messages: list[ModelMessage]
    size: int


class ModelHistory:
    """What agents' loops keep of what was said in them. What was read or written lately is kept in memory."""

    def __init__(self, driver: StorageDriver, codec: PayloadCodec | None, namespace: str) -> None:
        """Take where large payloads are kept, what encrypts them, and Temporal's namespace."""
        self._driver = driver
        self._codec = codec
        self._namespace = namespace
        self._cache: OrderedDict[str, _Turn] = OrderedDict()
        self._cached = 0

    @classmethod
    def of(cls, client: Client) -> ModelHistory:
        """Return that of a client's executions."""
        converter = client.data_converter
        assert converter.external_storage is not None
        return cls(converter.external_storage.drivers[0], converter.payload_codec, client.namespace)

    async def append(self, temporal_id: str, previous: str | None, messages: Sequence[ModelMessage]) -> str:
        """Keep what was said since ``previous`` and return the reference of the whole.

        Args:
            temporal_id: the execution that speaks. What another one said before (a fork goes on from there) is copied
                first, so that the two can go at different times.
            previous: reference of what was said before; None at the beginning.
            messages: what is new.

        Raises:
            BlobError: the storage does not take it.
        """
        if previous is not None and BlobPath.parse(previous).owners != (temporal_id,):
            others, previous = await self._turns(previous), None
            for turn in others:
                previous = await self._store(temporal_id, previous, turn.messages)
        # A model is given its instructions with each request; those of the past are not sent again.
        told = [replace(each, instructions=None) if isinstance(each, ModelRequest) else each for each in messages]
        return await self._store(temporal_id, previous, told)

    async def read(self, reference: str | None) -> list[ModelMessage]:
        """Return all that was said up to a turn, from the beginning.

        Raises:
            BlobMissing: a turn is gone.
            BlobDamaged: a turn is not what was stored.
            BlobError: the storage does not answer.
            PayloadKeyUnknown, PayloadDamaged: a turn cannot be decrypted.
        """
        return [message for turn in await self._turns(reference) for message in turn.messages]

    async def _turns(self, reference: str | None) -> list[_Turn]:
        turns: list[_Turn] = []
        while reference is not None:
            turns.append(await self._turn(reference))
            reference = turns[-1].previous
        return turns[::-1]

    async def _store(self, temporal_id: str, previous: str | None, messages: list[ModelMessage]) -> str:
        told = {"previous": previous, "messages": ModelMessagesTypeAdapter.dump_python(messages, mode="json")}
        payload = Payload(metadata=_METADATA, data=json.dumps(told, separators=(",", ":")).encode())
        size = len(payload.data)
        if self._codec is not None:
            (payload,) = await self._codec.encode([payload])
        owner = StorageDriverWorkflowInfo(id=temporal_id, namespace=self._namespace)
        (claim,) = await self._driver.store(StorageDriverStoreContext(target=owner), [payload])
        reference = path_of(claim)
        self._keep(reference, _Turn(previous, messages, size))
        return reference

    async def _turn(self, reference: str) -> _Turn:
        if (known := self._cache.get(reference)) is not None:
            self._cache.move_to_end(reference)
            return known
        (payload,) = await self._driver.retrieve(StorageDriverRetrieveContext(), [_claim(reference)])
        if self._codec is not None:
            (payload,) = await self._codec.decode([payload])
        turn = await asyncio.to_thread(_parsed, reference, payload.data)
        self._keep(reference, turn)
        return turn

    def _keep(self, reference: str, turn: _Turn) -> None:
        if reference not in self._cache:
            self._cache[reference] = turn
            self._cached += turn.size
        while self._cached > _CACHED_BYTES:
            _, old = self._cache.popitem(last=False)
            self._cached -= old.size


def _claim(reference: str) -> StorageDriverClaim:
    try:
        return claim_of(BlobPath.parse(reference))
    except ValueError as error:
        raise BlobMissing(f"{reference!r} is no turn of an agent") from error


def _parsed(reference: str, data: bytes) -> _Turn:
    try:
        document = json.loads(data)
        messages = ModelMessagesTypeAdapter.validate_python(document["messages"])
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise BlobDamaged(f"The turn {reference} of an agent cannot be understood: {error}") from error
    return _Turn(cast("str | None", document["previous"]), messages, len(data))
