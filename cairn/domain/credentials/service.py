"""Credentials of a tenant: made, changed and deleted by people, resolved to headers when a request is sent."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.domain.credentials.model import Credential, CredentialKind, read_secret
from cairn.domain.credentials.sealing import Sealer
from cairn.errors import Conflict, NotFound
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import CredentialRow
from cairn.persistence.types import utc_now


class CredentialService:
    """Keeps the credentials of a scope within a session; commits nothing."""

    def __init__(self, session: AsyncSession, scope: Scope, sealer: Sealer) -> None:
        """Take the session, whose credentials, and what encrypts their secrets."""
        self._session = session
        self._scope = scope
        self._sealer = sealer
        self._credentials = Repository(session, CredentialRow)

    async def create(
        self, name: str, kind: CredentialKind, secret: JsonObject, description: str | None = None
    ) -> Credential:
        """Keep a secret.

        Raises:
            InvalidInput: the secret is not of the kind.
            Conflict: the name is taken (``credential_exists``).
        """
        row = CredentialRow(
            tenant=self._scope.tenant,
            live=self._scope.live is not False,
            uuid=str(uuid.uuid4()),
            name=name,
            description=description,
            kind=kind,
            key_id="",
            sealed=b"",
        )
        self._seal(row, secret)
        async with self._named(name):
            await self._credentials.add(row)
        return Credential.of(row)

    async def list(self) -> Sequence[Credential]:
        """Return all, newest first."""
        rows = await self._credentials.all(self._scope, order=(col(CredentialRow.id).desc(),))
        return [Credential.of(row) for row in rows]

    async def get(self, credential: str) -> Credential:
        """Return one by its uuid.

        Raises:
            NotFound: the scope has no such credential (``credential_not_found``).
        """
        return Credential.of(await self._row(credential))

    async def update(
        self,
        credential: str,
        *,
        name: str | None = None,
        description: str | None = None,
        kind: CredentialKind | None = None,
        secret: JsonObject | None = None,
    ) -> Credential:
        """Change what is given; a new secret, or one of another kind, replaces the old one.

        Raises:
            NotFound: the scope has no such credential.
            InvalidInput: the secret is not of the kind, or the kind changes and no secret is given.
            Conflict: the name is taken.
        """
        row = await self._row(credential, lock=True)
        if name is not None and name != row.name:
            async with self._named(name):
                row.name = name
                await self._session.flush()
        row.description = row.description if description is None else description
        if secret is not None or (kind is not None and kind != row.kind):
            row.kind = kind or row.kind
            self._seal(row, secret or {})
        row.updated_at = utc_now()
        await self._session.flush()
        return Credential.of(row)

    async def delete(self, credential: str) -> None:
        """Remove one, its secret with it; what names it fails from then on.

        Raises:
            NotFound: the scope has no such credential.
        """
        await self._session.delete(await self._row(credential, lock=True))
        await self._session.flush()

    async def headers(self, credential: str) -> dict[str, str]:
        """Return the headers that carry the secret: for the request itself, never for a history, a log or a reply.

        Raises:
            NotFound: the scope has no such credential.
            Unavailable: it is encrypted with a key that this process has not.
        """
        row = await self._row(credential)
        return read_secret(row.kind, self._sealer.open(row.key_id, row.sealed, _place(row))).headers()

    async def _row(self, credential: str, *, lock: bool = False) -> CredentialRow:
        named = credential if credential.isascii() and credential.isprintable() else ""
        row = await self._credentials.get(self._scope, col(CredentialRow.uuid) == named, lock=lock)
        if row is None:
            raise NotFound("No such credential.", code="credential_not_found")
        return row

    def _seal(self, row: CredentialRow, secret: JsonObject) -> None:
        checked = read_secret(row.kind, secret).model_dump()
        row.key_id, row.sealed = self._sealer.seal(checked, _place(row))

    @asynccontextmanager
    async def _named(self, name: str) -> AsyncGenerator[None]:
        try:
            async with self._session.begin_nested():
                yield
        except IntegrityError:
            raise Conflict(f"A credential is named {name!r} already.", code="credential_exists") from None


def _place(row: CredentialRow) -> str:
    """A secret opens in its own row alone: copied into another tenant's, it is of no use."""
    return f"{row.tenant}\0{row.live}\0{row.uuid}"
