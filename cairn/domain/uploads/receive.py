"""Receiving a file by its link: whoever holds the link may send the file, once, until it expires."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import obstore
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import ObjectStore
from sqlalchemy import select, update
from sqlmodel import col

from cairn.domain.uploads.model import MAX_SIZE, Upload, media_type
from cairn.domain.uploads.signature import is_signed
from cairn.errors import Conflict, Forbidden, Gone, InvalidInput, PayloadTooLarge, Unavailable, UnsupportedMediaType
from cairn.persistence.session import Database
from cairn.persistence.tables import UploadRow
from cairn.persistence.types import utc_now

_AGAIN = (0.1, 0.5, 2.0)
"""Seconds after which a busy database is asked again."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file that somebody sends.

    Attributes:
        expires: as the link has it.
        signature: as the link has it.
        content_type: as it is sent; None when nothing is said, for many clients say nothing.
        length: in bytes, where it is known beforehand.
        chunks: its bytes.
    """

    file_key: str
    expires: int
    signature: str
    content_type: str | None
    length: int | None
    chunks: AsyncIterable[bytes]


async def receive(database: Database, store: ObjectStore, secret: bytes, incoming: Incoming) -> Upload:
    """Store a file. It is there as a whole or not at all, and when it fails the link can be used again.

    Raises:
        Forbidden: the link is not one of this server, or was changed.
        Gone: it has expired.
        UnsupportedMediaType: the file is of another type than was announced.
        PayloadTooLarge: it is too large; what is left of it is not read.
        InvalidInput: it is empty.
        Conflict: the link has been used, or is being used.
        Unavailable: the storage does not answer.
    """
    if not is_signed(secret, incoming.file_key, incoming.expires, incoming.signature):
        raise Forbidden("The link is not valid.", code="link_not_valid")
    if datetime.fromtimestamp(incoming.expires, UTC) <= utc_now():
        raise Gone("The link has expired.", code="link_expired")
    await _check(database, incoming)
    await _claim(database, incoming.file_key)
    try:
        size = await _store(store, incoming)
        return Upload.of(await _mark(database, incoming.file_key, status="stored", size=size, stored_at=utc_now()))
    except Gone:  # nobody knows of the file any more
        await obstore.delete_async(store, incoming.file_key)
        raise
    except BaseException:
        await _mark(database, incoming.file_key, status="open")
        raise


async def _check(database: Database, incoming: Incoming) -> None:
    async with database.session() as session:
        row = await session.get(UploadRow, incoming.file_key)
    if row is None:
        raise Gone("The link has expired.", code="link_expired")
    if incoming.content_type is not None and media_type(incoming.content_type) != row.content_type:
        raise UnsupportedMediaType(f"The file was announced as {row.content_type}.")
    if incoming.length is not None and incoming.length > MAX_SIZE:
        raise _too_large()


async def _claim(database: Database, file_key: str) -> None:
    """Take the link for this sender alone: of several that come at once, the database lets one through."""
    async with database.transaction() as session:
        mine = col(UploadRow.file_key) == file_key, col(UploadRow.status) == "open"
        taken = await session.execute(
            update(UploadRow).where(*mine).values(status="receiving").returning(col(UploadRow.file_key))
        )
        if taken.scalar_one_or_none() is None:
            raise Conflict("The link has been used.", code="link_used")


async def _store(store: ObjectStore, incoming: Incoming) -> int:
    counted = _Counted(incoming.chunks)
    try:
        # The object appears when its last byte is stored. When the source fails, nothing is left.
        await obstore.put_async(store, incoming.file_key, counted)
    except (ObstoreError, OSError) as error:
        raise Unavailable("The storage does not answer.", code="storage_unavailable", retry_after=1) from error
    return counted.size


class _Counted:
    """Chunks that come in, as long as they are not too many."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = chunks
        self.size = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > MAX_SIZE:
                raise _too_large()
            if chunk:
                yield chunk
        if self.size == 0:
            raise InvalidInput("The file is empty.")


async def _mark(database: Database, file_key: str, **values: object) -> UploadRow:
    """Write down what became of the link. A database that is busy is asked again: nobody else can do it."""
    for wait in _AGAIN:
        try:
            return await _write(database, file_key, values)
        except Unavailable:
            await asyncio.sleep(wait)
    return await _write(database, file_key, values)


async def _write(database: Database, file_key: str, values: dict[str, object]) -> UploadRow:
    async with database.transaction() as session:
        changed = update(UploadRow).where(col(UploadRow.file_key) == file_key).values(**values)
        await session.execute(changed)
        row = (await session.execute(select(UploadRow).where(col(UploadRow.file_key) == file_key))).scalar_one_or_none()
    if row is None:  # it took so long that the link was swept
        raise Gone("The link has expired.", code="link_expired")
    return row


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(f"The file is over {MAX_SIZE} bytes.")
