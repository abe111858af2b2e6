"""Removing what uploads leave that never became whole: links nobody used, and what processes that died had received."""

from __future__ import annotations

import asyncio
import contextlib
import glob
from collections.abc import Sequence
from pathlib import Path

import obstore
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import LocalStore, ObjectStore
from sqlalchemy import delete, select
from sqlmodel import col

from cairn.domain.uploads.model import LIFETIME
from cairn.observability import get_logger
from cairn.persistence.session import Database
from cairn.persistence.tables import UploadRow
from cairn.persistence.types import utc_now

_BATCH = 500
_log = get_logger("cairn.uploads")


async def sweep(database: Database, store: ObjectStore) -> int:
    """Remove files and rows of the links that are long over, of all tenants; return of how many."""
    # A file may come in for some time after its link was taken.
    over = col(UploadRow.status) != "stored", col(UploadRow.expires_at) < utc_now() - LIFETIME
    async with database.session() as session:
        query = select(col(UploadRow.file_key)).where(*over).limit(_BATCH)
        keys: Sequence[str] = (await session.execute(query)).scalars().all()
    gone = [key for key in keys if await _remove(store, key)]
    if gone:
        async with database.transaction() as session:
            await session.execute(delete(UploadRow).where(*over, col(UploadRow.file_key).in_(gone)))
    return len(gone)


async def _remove(store: ObjectStore, key: str) -> bool:
    try:
        with contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(store, key)
        if isinstance(store, LocalStore) and store.prefix is not None:
            await asyncio.to_thread(_remove_parts, Path(store.prefix) / key)
    except (ObstoreError, OSError) as error:
        _log.warning("upload that was not ended could not be removed", file_key=key, error=str(error))
        return False
    return True


def _remove_parts(file: Path) -> None:
    """Remove what a folder keeps of a file until it is whole: files of its name with ``#`` and a number."""
    for part in file.parent.glob(f"{glob.escape(file.name)}#*"):
        part.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        file.parent.rmdir()  # each file has a folder of its own
