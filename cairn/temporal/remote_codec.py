"""Payloads for Temporal's own tools (Web UI, command line): decoded and encoded without knowing what is in them."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.api.sdk.v1.external_storage_pb2 import ExternalStorageReference
from temporalio.common import RawValue
from temporalio.converter import DataConverter

from cairn.errors import NotFound
from cairn.observability import get_logger
from cairn.temporal.blobs import BlobError, BlobMissing
from cairn.temporal.encryption import PayloadDamaged, PayloadKeyUnknown

_REFERENCE = ExternalStorageReference.DESCRIPTOR.full_name.encode()
_log = get_logger("cairn.codec")


def is_reference(payload: Payload) -> bool:
    """Whether a payload is but the reference to one that lies outside of history."""
    return payload.metadata.get("messageType") == _REFERENCE


class RemoteCodec:
    """Decodes and encodes by the converter of this process."""

    def __init__(self, converter: DataConverter) -> None:
        """Take the converter of the process's client."""
        self._converter = converter

    async def decode(self, payloads: Sequence[Payload], *, preserve_references: bool = False) -> list[Payload]:
        """Return the payloads as they were before they were encrypted and stored.

        One that cannot be decoded comes back as it is, so that the others are seen; the log says why.

        Args:
            payloads: encrypted, references, or plain.
            preserve_references: leave references as they are.
        """
        return [
            payload if preserve_references and is_reference(payload) else await self._seen(payload)
            for payload in payloads
        ]

    async def download(self, references: Sequence[Payload]) -> list[Payload]:
        """Return the payloads that references stand for.

        Raises:
            NotFound: one is no reference, or does not lie in the storage.
            PayloadKeyUnknown: a key is not known.
            PayloadDamaged: a payload does not decrypt.
            BlobError: the storage does not answer.
        """
        if not all(map(is_reference, references)):
            raise NotFound("A payload is no reference to a stored one.", code="not_stored")
        try:
            return [await self._decoded(reference) for reference in references]
        except BlobMissing as error:
            raise NotFound("The storage has no such payload.", code="blob_missing") from error

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads as workers would write them."""
        return await self._converter.encode([RawValue(payload) for payload in payloads]) if payloads else []

    async def _seen(self, payload: Payload) -> Payload:
        try:
            return await self._decoded(payload)
        except (PayloadKeyUnknown, PayloadDamaged, BlobError, ValueError) as error:
            _log.warning("payload cannot be decoded", reason=str(error))
            return payload

    async def _decoded(self, payload: Payload) -> Payload:
        (value,) = await self._converter.decode([payload], [RawValue])
        return value.payload
