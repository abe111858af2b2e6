"""Credentials for what sends requests."""

from __future__ import annotations

from cairn.domain.credentials.sealing import Sealer
from cairn.domain.credentials.service import CredentialService
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database


class CredentialHeaders:
    """Resolves credentials to headers, each time in a session of its own."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        """Take where they are kept, and what decrypts them."""
        self._database = database
        self._sealer = sealer

    async def of(self, tenant: str, live: bool, credential: str | None) -> dict[str, str]:
        """Return the headers that carry a credential's secret; none when no credential is named.

        Raises:
            NotFound: the tenant has no such credential (``credential_not_found``).
            Unavailable: the database does not answer, or the key is not known here (``credential_key_unknown``).
        """
        if not credential:
            return {}
        async with self._database.session() as session:
            return await CredentialService(session, Scope(tenant, live), self._sealer).headers(credential)
