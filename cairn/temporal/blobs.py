"""Content-addressed storage of payloads that are too large for history.

A payload of at least the threshold is stored under the SHA-256 of its serialized bytes, and history keeps a reference
of some 200 bytes. Storing the same payload again writes the same object again, so retries and replays are harmless,
and a damaged object heals when it is stored once more. What is read is verified against the digest.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from google.protobuf.message import DecodeError
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import LocalStore, ObjectStore, from_url
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

DRIVER_NAME = "cairn.blobs"
"""Name of the driver in history; never changes."""

_DIGEST_KEY = "sha256"

_CLIENT: ClientConfig = {"allow_http": True, "connect_timeout": "5s", "timeout": "30s"}
_RETRY: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}


class BlobError(Exception):
    """A payload cannot be stored or read back."""


class BlobMissing(BlobError):
    """The storage has no object for a reference that is in history."""


class BlobDamaged(BlobError):
    """The stored bytes are not those whose digest is in history."""


def blob_storage(url: str, threshold: int) -> ExternalStorage:
    """Return the external storage for a Temporal data converter.

    Args:
        url: ``file:///folder`` (made when absent), ``s3://bucket/prefix``, ``gs://…`` or ``az://…``. Credentials,
            region and endpoint of S3 come from the standard variables (``AWS_ACCESS_KEY_ID``,
            ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``; the endpoint may be plain http).
        threshold: serialized payloads of at least so many bytes are stored outside of history.

    Raises:
        ValueError: no storage is known for the URL.
    """
    return ExternalStorage(drivers=[BlobDriver(open_store(url))], payload_size_threshold=threshold)


def open_store(url: str) -> ObjectStore:
    """Open the object store at a URL (see :func:`blob_storage`).

    Raises:
        ValueError: no storage is known for the URL, or the folder cannot be made.
    """
    try:
        if urlsplit(url).scheme == "file":
            return LocalStore.from_url(url, mkdir=True)
        return from_url(url, client_options=_CLIENT, retry_config=_RETRY)
    except (ObstoreError, ValueError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"Blob storage {url!r} cannot be opened: {reason}. Use file:///folder or s3://bucket."
        ) from error


class BlobDriver(StorageDriver):
    """Stores payloads in an object store under ``sha256/<two digits>/<digest>``."""

    def __init__(self, store: ObjectStore) -> None:
        """Make a driver on an open store."""
        self._store = store

    def name(self) -> str:
        """Return the name that references in history carry."""
        return DRIVER_NAME

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Store the payloads and return their references, in order.

        Raises:
            BlobError: the storage refused or did not answer.
        """
        return await asyncio.gather(*(self._put(payload) for payload in payloads))

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Read payloads back by their references, in order.

        Raises:
            BlobMissing: there is no such object.
            BlobDamaged: the object is not what was stored.
            BlobError: the storage did not answer.
        """
        return await asyncio.gather(*(self._get(claim) for claim in claims))

    async def _put(self, payload: Payload) -> StorageDriverClaim:
        # Deterministic: the same payload has the same bytes, whatever the order of its metadata map.
        data = payload.SerializeToString(deterministic=True)
        digest = hashlib.sha256(data).hexdigest()
        try:
            await obstore.put_async(self._store, _path(digest), data)
        except (ObstoreError, OSError) as error:
            raise BlobError(f"Blob {digest} of {len(data)} bytes cannot be stored: {_reason(error)}") from error
        return StorageDriverClaim(claim_data={_DIGEST_KEY: digest})

    async def _get(self, claim: StorageDriverClaim) -> Payload:
        digest = claim.claim_data[_DIGEST_KEY]
        try:
            result = await obstore.get_async(self._store, _path(digest))
            data = bytes(await result.bytes_async())
        except FileNotFoundError as error:
            raise BlobMissing(
                f"Blob {digest} is not in the storage: is CAIRN_BLOB_URL the one the execution was started with?"
            ) from error
        except (ObstoreError, OSError) as error:
            raise BlobError(f"Blob {digest} cannot be read: {_reason(error)}") from error
        return _verified(digest, data)


def _verified(digest: str, data: bytes) -> Payload:
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise BlobDamaged(f"Blob {digest} is damaged: its {len(data)} bytes have digest {found}")
    try:
        return Payload.FromString(data)
    except DecodeError as error:
        raise BlobDamaged(f"Blob {digest} is no payload") from error


def _path(digest: str) -> str:
    return f"sha256/{digest[:2]}/{digest}"


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0]
