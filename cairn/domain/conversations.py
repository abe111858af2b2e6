"""What models and tools have said to each other, kept outside of history: a document a turn, each naming the last one.

History and the messages between activities hold a reference of constant size, however long a conversation becomes. A
document is never changed. It lies with the other objects of its execution; one that is read by another execution (a
fork) is found by its reference, which is the whole path.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import obstore
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import ObjectStore
from pydantic import ValidationError
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelRequest

from cairn.temporal.blobs import BlobDamaged, BlobError, BlobMissing

_CACHED_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Turn:
    previous: str | None
    messages: list[ModelMessage]
    size: int


class Conversations:
    """The conversations of an installation. What was read or written lately is kept in memory."""

    def __init__(self, store: ObjectStore) -> None:
        """Take the store of large values."""
        self._store = store
        self._cache: OrderedDict[str, _Turn] = OrderedDict()
        self._cached = 0

    async def append(self, temporal_id: str, previous: str | None, messages: Sequence[ModelMessage]) -> str:
        """Keep what was said since ``previous`` and return the reference of the whole.

        Args:
            temporal_id: the execution that speaks.
            previous: reference of what was said before; None at the beginning.
            messages: what is new.

        Raises:
            BlobError: the storage does not take it.
        """
        # A model is given its instructions with each request; those of the past are not sent again.
        told = [replace(each, instructions=None) if isinstance(each, ModelRequest) else each for each in messages]
        data = json.dumps(
            {"previous": previous, "messages": ModelMessagesTypeAdapter.dump_python(told, mode="json")},
            separators=(",", ":"),
        ).encode()
        reference = f"turns/{temporal_id}/{hashlib.sha256(data).hexdigest()}"
        try:
            await obstore.put_async(self._store, reference, data)
        except (ObstoreError, OSError) as error:
            raise BlobError(f"A turn of {len(data)} bytes cannot be stored: {_reason(error)}") from error
        self._keep(reference, _Turn(previous, told, len(data)))
        return reference

    async def read(self, reference: str | None) -> list[ModelMessage]:
        """Return all that was said up to a turn, from the beginning.

        Raises:
            BlobMissing: a turn is gone.
            BlobDamaged: a turn is not what was stored.
            BlobError: the storage does not answer.
        """
        turns: list[_Turn] = []
        while reference is not None:
            turns.append(await self._turn(reference))
            reference = turns[-1].previous
        return [message for turn in reversed(turns) for message in turn.messages]

    async def _turn(self, reference: str) -> _Turn:
        if (known := self._cache.get(reference)) is not None:
            self._cache.move_to_end(reference)
            return known
        try:
            result = await obstore.get_async(self._store, reference)
            data = bytes(await result.bytes_async())
        except FileNotFoundError as error:
            raise BlobMissing(f"The turn {reference} of an agent is not in the storage") from error
        except (ObstoreError, OSError) as error:
            raise BlobError(f"The turn {reference} of an agent cannot be read: {_reason(error)}") from error
        turn = await asyncio.to_thread(_parsed, reference, data)
        self._keep(reference, turn)
        return turn

    def _keep(self, reference: str, turn: _Turn) -> None:
        if reference not in self._cache:
            self._cache[reference] = turn
            self._cached += turn.size
        while self._cached > _CACHED_BYTES:
            _, old = self._cache.popitem(last=False)
            self._cached -= old.size


def _parsed(reference: str, data: bytes) -> _Turn:
    if hashlib.sha256(data).hexdigest() != reference.rpartition("/")[2]:
        raise BlobDamaged(f"The turn {reference} of an agent is damaged")
    try:
        document = json.loads(data)
        messages = ModelMessagesTypeAdapter.validate_python(document["messages"])
    except (ValueError, KeyError, ValidationError) as error:
        raise BlobDamaged(f"The turn {reference} of an agent cannot be understood: {error}") from error
    return _Turn(cast("str | None", document["previous"]), messages, len(data))


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0]
