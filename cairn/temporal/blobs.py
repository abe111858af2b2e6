"""Storage of payloads that are too large for history, and who owns them.

A payload of at least the threshold is stored as an object, and history keeps a reference of a few hundred bytes with
its SHA-256: what is read is verified against it. The object's path says which workflows' histories may refer to it
(its owners) and on which day it was written, so that :mod:`cairn.temporal.blob_sweep` knows what can go without
reading histories:

    owned/<namespace>/<day>/<owner>[,<owner>]/<digest>

Storing the same payload for the same owners on the same day writes the same object again, so retries are harmless and
a damaged object heals. An object of an earlier day is never written again: what the sweep removes nobody writes.
Encrypted payloads are never the same: each time they are stored they are another object, which goes with its owners.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import obstore
from google.protobuf.message import DecodeError
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import ObjectStore
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)

from cairn.object_store import open_store

DRIVER_NAME = "cairn.blobs"
"""Name of the driver in history; never changes."""

OWNED = "owned"
"""Folder of the objects that have owners."""

_DIGEST_KEY = "sha256"
_PATH_KEY = "path"
_SAFE = re.compile(r"[A-Za-z0-9_=,-]+(/[A-Za-z0-9_=,-]+)*")
_NAME_LENGTH = 200  # file systems allow names of 255 bytes


class BlobError(Exception):
    """A payload cannot be stored or read back."""


class BlobMissing(BlobError):
    """The storage has no object for a reference that is in history."""


class BlobDamaged(BlobError):
    """The stored bytes are not those whose digest is in history."""


def blob_storage(url: str, threshold: int) -> ExternalStorage:
    """Return the external storage for a Temporal data converter.

    Args:
        url: of the object store.
        threshold: serialized payloads of at least so many bytes are stored outside of history.

    Raises:
        ValueError: no storage is known for the URL.
    """
    return ExternalStorage(drivers=[BlobDriver(open_store(url))], payload_size_threshold=threshold)


@dataclass(frozen=True, kw_only=True)
class SharedTarget(StorageDriverWorkflowInfo):
    """The workflow for which a payload is stored, and another one whose history will refer to it, too."""

    also: str


@dataclass(frozen=True, slots=True)
class BlobPath:
    """Where an object with owners lies.

    Attributes:
        namespace: of the owners.
        day: on which it was written, UTC.
        owners: Temporal workflow ids.
        digest: SHA-256 of its bytes, in hex.
    """

    namespace: str
    day: date
    owners: tuple[str, ...]
    digest: str

    def __str__(self) -> str:
        owners = ",".join(_escape(owner) for owner in self.owners)
        names = [owners[at : at + _NAME_LENGTH] for at in range(0, len(owners), _NAME_LENGTH)]
        return "/".join([days_folder(self.namespace), self.day.isoformat(), *names, self.digest])

    @classmethod
    def parse(cls, path: str) -> BlobPath:
        """Read a path back.

        Raises:
            ValueError: it is none of these paths.
        """
        folder, namespace, day, *names, digest = path.split("/")
        owners = tuple(_unescape(owner) for owner in "".join(names).split(","))
        if folder != OWNED or not all(owners):
            raise ValueError(f"{path!r} is no path of a blob with owners")
        return cls(_unescape(namespace), date.fromisoformat(day), owners, digest)


def path_of(claim: StorageDriverClaim) -> str:
    """Return where the driver has stored something that has an owner."""
    return claim.claim_data[_PATH_KEY]


def claim_of(path: BlobPath) -> StorageDriverClaim:
    """Return what the driver reads the object at a path by."""
    return StorageDriverClaim(claim_data={_DIGEST_KEY: path.digest, _PATH_KEY: str(path)})


def days_folder(namespace: str) -> str:
    """Return the folder of a namespace's objects; it has one for each day."""
    return f"{OWNED}/{_escape(namespace)}"


class BlobDriver(StorageDriver):
    """Stores payloads in an object store.

    Those without a workflow lie under ``sha256/<two digits>/<digest>``, where the first release had all of them.
    """

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
        return await asyncio.gather(*(self._put(context, payload) for payload in payloads))

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

    async def _put(self, context: StorageDriverStoreContext, payload: Payload) -> StorageDriverClaim:
        # Deterministic: the same payload has the same bytes, whatever the order of its metadata map.
        data = payload.SerializeToString(deterministic=True)
        digest = hashlib.sha256(data).hexdigest()
        path = _owned(context, digest)
        try:
            await obstore.put_async(self._store, path or _flat(digest), data)
        except (ObstoreError, OSError) as error:
            raise BlobError(f"Blob {digest} of {len(data)} bytes cannot be stored: {_reason(error)}") from error
        return StorageDriverClaim(claim_data={_DIGEST_KEY: digest, **({_PATH_KEY: path} if path else {})})

    async def _get(self, claim: StorageDriverClaim) -> Payload:
        digest = claim.claim_data[_DIGEST_KEY]
        path = claim.claim_data.get(_PATH_KEY, _flat(digest))
        if not _SAFE.fullmatch(path) or not path.endswith(f"/{digest}"):
            raise BlobMissing(f"{path!r} is no path of a blob")
        try:
            result = await obstore.get_async(self._store, path)
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


def _owned(context: StorageDriverStoreContext, digest: str) -> str | None:
    target = context.target
    if not isinstance(target, StorageDriverWorkflowInfo) or not target.id:
        return None
    owners = (target.id, target.also) if isinstance(target, SharedTarget) else (target.id,)
    return str(BlobPath(target.namespace, datetime.now(UTC).date(), owners, digest))


def _flat(digest: str) -> str:
    return f"sha256/{digest[:2]}/{digest}"


def _escape(text: str) -> str:
    """Return the text in letters, digits, ``-`` and ``_``; all else as ``=`` and two hexadecimal digits a byte."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: "".join(f"={byte:02X}" for byte in found[0].encode()), text)


def _unescape(text: str) -> str:
    return re.sub(r"(=[0-9A-F]{2})+", lambda found: bytes.fromhex(found[0].replace("=", "")).decode(), text)


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0]
