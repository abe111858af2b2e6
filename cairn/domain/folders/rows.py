"""Finding a folder's row."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.errors import NotFound
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import FolderRow
from cairn.persistence.types import number_of


async def find_folder(session: AsyncSession, scope: Scope, folder_id: int | str, *, lock: bool = False) -> FolderRow:
    """Return a folder's row.

    Raises:
        NotFound: the scope has no such folder.
    """
    number = number_of(folder_id)
    rows = Repository(session, FolderRow)
    row = None if number is None else await rows.get(scope, col(FolderRow.id) == number, lock=lock)
    if row is None:
        raise NotFound("No such folder.", code="folder_not_found")
    return row
