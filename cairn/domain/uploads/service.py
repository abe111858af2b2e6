"""What callers with a key can do with uploads: announce one, and read what was stored."""

from __future__ import annotations

import secrets

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.uploads.model import LIFETIME, Announced, Upload, media_type, safe_name
from cairn.domain.uploads.signature import sign
from cairn.errors import NotFound
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import UploadRow
from cairn.persistence.types import utc_now


class UploadService:
    """Uploads of one tenant, within one session; commits nothing."""

    def __init__(self, session: AsyncSession, scope: Scope, secret: bytes) -> None:
        """Take the session, whose uploads, and what signs their links."""
        self._session = session
        self._scope = scope
        self._secret = secret
        self._rows = Repository(session, UploadRow)

    async def announce(self, folder: str, filename: str, content_type: str) -> Announced:
        """Expect a file in a folder; its key is ``folder/<id>/<name>``, the name sanitised."""
        expires_at = (utc_now() + LIFETIME).replace(microsecond=0)
        row = await self._rows.add(
            UploadRow(
                tenant=self._scope.tenant,
                live=self._scope.live is not False,
                file_key=f"{folder}/{secrets.token_hex(12)}/{safe_name(filename)}",
                content_type=media_type(content_type),
                expires_at=expires_at,
            )
        )
        signature = sign(self._secret, row.file_key, int(expires_at.timestamp()))
        return Announced(row.file_key, expires_at, signature)

    async def get(self, file_key: str) -> Upload:
        """Return a file that was stored.

        Raises:
            NotFound: the scope has none of this key.
        """
        row = await self._rows.get(self._scope, col(UploadRow.file_key) == file_key, col(UploadRow.status) == "stored")
        if row is None:
            raise NotFound("No such file.", code="file_not_found")
        return Upload.of(row)
