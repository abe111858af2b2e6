"""Folders of graphs. A graph is in one folder or in none."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.folders.rows import find_folder
from cairn.domain.names import checked_name
from cairn.errors import Conflict
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import FolderRow, GraphRow

MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as callers see it."""

    id: int
    name: str
    created_at: datetime

    @classmethod
    def of(cls, row: FolderRow) -> Folder:
        """Make it of its row."""
        return cls(cast("int", row.id), row.name, row.created_at)


class FolderService:
    """Makes, names and deletes folders within a session; commits nothing.

    Everything raises ``NotFound`` for a folder that the scope does not have.
    """

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        """Take the session and whose folders."""
        self._session = session
        self._scope = scope
        self._rows = Repository(session, FolderRow)

    async def list(self) -> builtins.list[Folder]:
        """Return all folders by name, whatever the case."""
        rows = await self._rows.all(self._scope)
        return sorted(map(Folder.of, rows), key=lambda folder: (folder.name.casefold(), folder.id))

    async def create(self, name: str) -> Folder:
        """Make a folder.

        Raises:
            InvalidInput: the name is blank or too long.
            Conflict: there is one of this name.
        """
        name = checked_name(name, MAX_NAME)
        row = FolderRow(tenant=self._scope.tenant, live=self._scope.live is not False, name=name)
        return await self._save(row, name)

    async def rename(self, folder_id: int | str, name: str) -> Folder:
        """Give a folder another name; raises as :meth:`create` does."""
        name = checked_name(name, MAX_NAME)
        row = await find_folder(self._session, self._scope, folder_id, lock=True)
        return await self._save(row, name)

    async def delete(self, folder_id: int | str) -> None:
        """Delete a folder; the graphs in it are then in none."""
        row = await find_folder(self._session, self._scope, folder_id, lock=True)
        members = [*Repository(self._session, GraphRow).owned(self._scope), col(GraphRow.folder_id) == row.id]
        await self._session.execute(update(GraphRow).where(*members).values(folder_id=None))
        await self._session.delete(row)
        await self._session.flush()

    async def _save(self, row: FolderRow, name: str) -> Folder:
        try:
            async with self._session.begin_nested():
                row.name = name
                return Folder.of(await self._rows.add(row))
        except IntegrityError:
            raise Conflict(f"There is a folder with the name '{name}'.", code="folder_exists") from None
