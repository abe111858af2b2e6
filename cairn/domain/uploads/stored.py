"""Reading back what was uploaded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import ObjectStore

from cairn.domain.uploads.model import Upload
from cairn.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from obstore import GetResult


async def open_file(store: ObjectStore, upload: Upload) -> AsyncIterator[bytes]:
    """Return the bytes of a file that was stored.

    Raises:
        NotFound: somebody removed it from the storage.
        Unavailable: the storage does not answer.
    """
    try:
        found = await obstore.get_async(store, upload.file_key)
    except FileNotFoundError as error:
        raise NotFound("No such file.", code="file_not_found") from error
    except (ObstoreError, OSError) as error:
        raise Unavailable("The storage does not answer.", code="storage_unavailable", retry_after=1) from error
    return _bytes(found)


async def _bytes(found: GetResult) -> AsyncIterator[bytes]:
    async for chunk in found.stream(min_chunk_size=256 * 1024):
        yield bytes(chunk)
