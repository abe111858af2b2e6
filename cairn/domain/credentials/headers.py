"""Credentials for what sends requests."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from cairn.domain.credentials.sealing import Sealer
from cairn.domain.credentials.service import CredentialService
from cairn.observability.redaction import hidden
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


def concealed(text: str, secret: Mapping[str, str]) -> str:
    """Return a text, which may be JSON, without what it repeats of the headers that carry a credential's secret."""
    known: set[str] = set()
    for value in secret.values():
        scheme, _, after = value.partition(" ")
        known |= {value, after}
        if scheme.lower() == "basic":
            pair = _pair(after)
            known |= {pair, pair.partition(":")[2]}
    return hidden(text, known)


def _pair(encoded: str) -> str:
    """Return user and password of Basic authentication; nothing of a header that only begins like one."""
    try:
        pair = base64.b64decode(encoded)
    except ValueError:
        return ""
    try:
        return pair.decode()
    except UnicodeDecodeError:
        return pair.decode("latin-1")  # as servers did before RFC 7617
