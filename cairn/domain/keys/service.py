"""API keys of a tenant, and whose a key is."""

from __future__ import annotations

import hmac
import re
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Row, Select, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlmodel import col

from cairn.domain.keys.token import PREFIXES, hash_token, make_token, public_part
from cairn.domain.principal import ALL_SCOPES, Principal, PrincipalKind
from cairn.errors import FieldError, InvalidInput, NotFound, Unauthenticated
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import ApiKeyRow
from cairn.persistence.types import utc_now

# No dot: a Temporal workflow id is tenant, dot, id.
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SCOPE = re.compile(r"[a-z][a-z0-9_-]*:[a-z][a-z0-9_-]*")
# The one look-up without a tenant: the key is what says whose the request is. Made once, since every request asks it.
_COLUMNS: list[Any] = [
    *(ApiKeyRow.id, ApiKeyRow.hash, ApiKeyRow.tenant, ApiKeyRow.live, ApiKeyRow.scopes),
    *(ApiKeyRow.user_id, ApiKeyRow.principal, ApiKeyRow.expires_at, ApiKeyRow.revoked_at),
]
_BY_PUBLIC_PART = cast("Select[Any]", select(*_COLUMNS).where(col(ApiKeyRow.prefix) == bindparam("public")))
_USE_IS_NOTED_EVERY = timedelta(minutes=1)


async def authenticate(connection: AsyncConnection, secret: bytes, token: str) -> Principal:
    """Return the holder of a key.

    Each check asks the database, so a revocation holds at once in every process. A connection without a session does
    it at a third of the cost, which every request has.

    Raises:
        Unauthenticated: the key is unknown, expired or revoked; the message does not tell which.
    """
    row = await _find(connection, token)
    # An unknown key costs the same comparison as a wrong one.
    matches = hmac.compare_digest(hash_token(token, secret), row.hash if row else bytes(32))
    now = utc_now()
    if row is None or not matches or row.revoked_at is not None or (row.expires_at and row.expires_at <= now):
        raise Unauthenticated("The API key is unknown, expired or revoked.")
    kind: PrincipalKind = "human" if row.principal == "human" else "service"
    return Principal(row.tenant, row.live, frozenset(row.scopes), row.user_id, kind, row.id)


async def _find(connection: AsyncConnection, token: str) -> Row[Any] | None:
    public = public_part(token)
    if public is None:
        return None
    return (await connection.execute(_BY_PUBLIC_PART, {"public": public})).one_or_none()


class KeyService:
    """Makes, lists and revokes API keys within a session."""

    def __init__(self, session: AsyncSession, secret: bytes) -> None:
        """Take the session and the secret of :func:`cairn.domain.keys.load_secret`."""
        self._session = session
        self._secret = secret
        self._keys = Repository(session, ApiKeyRow)

    async def create(
        self,
        tenant: str,
        *,
        name: str = "",
        prefix: str = "omium_",
        live: bool | None = None,
        scopes: Iterable[str] = (ALL_SCOPES,),
        user_id: str | None = None,
        kind: PrincipalKind = "service",
        expires_at: datetime | None = None,
    ) -> tuple[ApiKeyRow, str]:
        """Make a key; return its row and its text, which is shown this once.

        Args:
            tenant: whose data it opens.
            name: for people.
            prefix: one of ``PREFIXES``.
            live: live or test data; by default test for ``omf_test_``, else live.
            scopes: what it allows, ``*`` for all.
            user_id: whom it stands for.
            kind: human or service.
            expires_at: when it ends; never by default.

        Raises:
            InvalidInput: names each argument that is wrong.
        """
        live = prefix != "omf_test_" if live is None else live
        scopes = sorted(set(scopes))
        if errors := list(_errors(tenant, prefix, live, scopes, expires_at)):
            raise InvalidInput("The key cannot be made.", errors=errors)
        token = make_token(prefix)
        row = ApiKeyRow(
            id=str(uuid.uuid4()),
            prefix=public_part(token) or "",
            hash=hash_token(token, self._secret),
            tenant=tenant,
            live=live,
            scopes=scopes,
            user_id=user_id,
            principal=kind,
            name=name,
            expires_at=expires_at,
        )
        return await self._keys.add(row), token

    async def note_use(self, key_id: str) -> None:
        """Keep when the key was used, to the minute; for a transaction after the reply."""
        now = utc_now()
        long_ago = or_(col(ApiKeyRow.last_used_at).is_(None), col(ApiKeyRow.last_used_at) < now - _USE_IS_NOTED_EVERY)
        query = update(ApiKeyRow).where(col(ApiKeyRow.id) == key_id, long_ago).values(last_used_at=now)
        await self._session.execute(query)

    async def list(self, tenant: str) -> Sequence[ApiKeyRow]:
        """Return the tenant's keys, live and test, newest first."""
        newest_first = (col(ApiKeyRow.created_at).desc(), col(ApiKeyRow.id))
        return await self._keys.all(Scope(tenant, live=None), order=newest_first)

    async def revoke(self, tenant: str, key: str) -> ApiKeyRow:
        """End a key for good; again is no error.

        Args:
            tenant: its tenant.
            key: its id, or its public beginning.

        Raises:
            NotFound: the tenant has no such key.
        """
        named = or_(col(ApiKeyRow.id) == key, col(ApiKeyRow.prefix) == key)
        row = await self._keys.get(Scope(tenant, live=None), named, lock=True)
        if row is None:
            raise NotFound("No such API key.")
        row.revoked_at = row.revoked_at or utc_now()
        return row


def _errors(
    tenant: str, prefix: str, live: bool, scopes: Sequence[str], expires_at: datetime | None
) -> Iterable[FieldError]:
    if not _TENANT.fullmatch(tenant):
        yield FieldError("/tenant", "must be 1 to 64 letters, digits, - and _")
    if prefix not in PREFIXES:
        yield FieldError("/prefix", f"must be one of {', '.join(PREFIXES)}")
    if prefix.startswith("omf_") and live != (prefix == "omf_live_"):
        yield FieldError("/live", f"a key {prefix}… is a {'test' if live else 'live'} key")
    if not scopes:
        yield FieldError("/scopes", "must not be empty")
    for scope in scopes:
        if scope != ALL_SCOPES and not _SCOPE.fullmatch(scope):
            yield FieldError("/scopes", f"{scope!r} is no scope such as executions:read, nor *")
    if expires_at is not None and expires_at.tzinfo is None:
        yield FieldError("/expires_at", "must have a time zone")
