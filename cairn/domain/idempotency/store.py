"""The record of a request that carries an ``Idempotency-Key``.

A request's life: ``begin`` and ``attach`` in the transaction that writes its row, so that both are there or neither;
after the commit the effects, ``renew`` from time to time meanwhile; ``finish`` with the reply. When the process dies
between, the lease runs out, the same request sent again begins anew, and its claim tells the ``resource_id`` of the
first try, with which it goes on.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.principal import Principal
from cairn.errors import BadRequest, Conflict, InvalidInput
from cairn.persistence.first_write import ALONE
from cairn.persistence.repository import insert_into
from cairn.persistence.tables import IdempotencyRow
from cairn.persistence.types import utc_now

LEASE = timedelta(seconds=10)
"""So long after the last sign of life a request counts as being worked on."""

LIFETIME = timedelta(hours=24)
"""So long a reply is kept."""

_NOT_KEPT = frozenset({400, 401, 403, 413, 415, 422, 429})


def is_kept(status: int) -> bool:
    """Tell whether a reply of this status is stored: not a refusal of the request as such, not a failure of ours."""
    return status < 500 and status not in _NOT_KEPT


@dataclass(slots=True)
class Claim:
    """The right to do a request.

    Attributes:
        record: the record's row id.
        owner: token of this try.
        resource_id: what an earlier try of the same request made or works on: go on with it, make no second one.
    """

    record: str
    owner: str
    key_id: str
    method: str
    path: str
    key: str
    request_hash: str
    resource_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredReply:
    """The reply to the same request, sent before."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, row: IdempotencyRow) -> StoredReply:
        """Return what the record of a request that is done keeps."""
        return cls(row.status_code or 200, row.headers or {}, row.body or b"")


class IdempotencyStore:
    """Records of requests, within a session; commits nothing."""

    def __init__(self, session: AsyncSession) -> None:
        """Take the session."""
        self._session = session

    async def begin(
        self, principal: Principal, method: str, path: str, key: str, request_hash: str
    ) -> Claim | StoredReply:
        """Claim a request, or return the reply that it got before.

        Args:
            principal: who sends it; a record belongs to one API key.
            method: of the request.
            path: of the request.
            key: its ``Idempotency-Key``.
            request_hash: digest of everything else that makes it the same request (body, query).

        Raises:
            BadRequest: the key is not 1 to 255 printable ASCII characters.
            InvalidInput: the key was used for another request.
            Conflict: the same request is being worked on.
        """
        if not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
            raise BadRequest("Idempotency-Key must be 1 to 255 printable ASCII characters.", code="bad_idempotency_key")
        parts = (principal.key_id, method, path, key)
        record = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        claim = Claim(record, uuid.uuid4().hex, *parts, request_hash)
        # Begin anew when another try ended between our insert and our look, or is too old to count.
        for _ in range(3):
            if await self._insert(claim):
                return claim
            row = await self._read(record)
            if row is not None and row.created_at <= utc_now() - LIFETIME:
                await self._session.delete(row)
                await self._session.flush()
            elif row is not None:
                return await self._meet(row, claim)
        raise self._in_flight()

    async def _read(self, record: str) -> IdempotencyRow | None:
        query = select(IdempotencyRow).where(col(IdempotencyRow.id) == record).with_for_update()
        return (await self._session.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()

    async def _meet(self, row: IdempotencyRow, claim: Claim) -> Claim | StoredReply:
        """Answer to a request whose record is there."""
        if row.request_hash != claim.request_hash:
            raise InvalidInput(
                "This Idempotency-Key was used for a request with another body.", code="idempotency_key_reused"
            )
        if row.state == "done":
            return StoredReply.of(row)
        if row.locked_until > utc_now():
            raise self._in_flight()
        row.owner, row.locked_until = claim.owner, utc_now() + LEASE
        await self._session.flush()
        claim.resource_id = row.resource_id
        return claim

    async def _insert(self, claim: Claim, **reply: Any) -> bool:
        """Insert the record; False when there is one. Who works on the same request in a transaction is waited for."""
        row = IdempotencyRow(
            id=claim.record,
            key_id=claim.key_id,
            method=claim.method,
            path=claim.path,
            idempotency_key=claim.key,
            request_hash=claim.request_hash,
            owner=claim.owner,
            locked_until=utc_now() + LEASE,
            resource_id=claim.resource_id,
            **reply,
        )
        query = insert_into(self._session, IdempotencyRow).values(row.model_dump())
        query = query.on_conflict_do_nothing(index_elements=["id"]).returning(col(IdempotencyRow.id))
        return (await self._session.execute(query)).scalar_one_or_none() is not None

    @staticmethod
    def _in_flight() -> Conflict:
        return Conflict(
            "A request with this Idempotency-Key is still in flight.", code="idempotency_in_flight", retry_after=1
        )

    async def attach(self, claim: Claim, resource_id: str) -> None:
        """Keep what the request makes or works on, in the transaction that writes it.

        Raises:
            Conflict: another try has taken the request over, so that what this one makes would be a second one.
        """
        if not await self._update(claim, resource_id=resource_id):
            raise self._in_flight()
        claim.resource_id = resource_id

    async def renew(self, claim: Claim) -> bool:
        """Give a sign of life, in a transaction of its own, every third of ``LEASE``; False: another try took over."""
        return await self._update(claim, locked_until=utc_now() + LEASE)

    async def finish(self, claim: Claim, status: int, headers: Mapping[str, str], body: bytes) -> StoredReply | None:
        """Store the reply, or forget the request when replies of this status are not kept.

        In the transaction of the row, or in a later one: the record is made anew when an error rolled it back.

        Returns:
            The reply that counts instead: of another try, which had taken the request over and was done sooner.

        Raises:
            Conflict: another try has taken the request over, and works on it.
        """
        if not is_kept(status):
            return await self.forget(claim)
        reply: dict[str, Any] = {"state": "done", "status_code": status, "headers": dict(headers), "body": body}
        if await self._update(claim, ALONE, **reply) or await self._insert(claim, **reply):
            return None
        row = await self._read(claim.record)
        if row is None or row.state != "done":
            raise self._in_flight()
        return StoredReply.of(row)

    async def forget(self, claim: Claim) -> None:
        """Let the same request be tried again at once; what it made stays attached, so that nothing is made twice."""
        mine = self._mine(claim)
        await self._session.execute(delete(IdempotencyRow).where(*mine, col(IdempotencyRow.resource_id).is_(None)))
        await self._update(claim, locked_until=utc_now())

    async def purge(self) -> int:
        """Remove the records that are over their lifetime and return how many there were."""
        expired = delete(IdempotencyRow).where(col(IdempotencyRow.created_at) <= utc_now() - LIFETIME)
        result = await self._session.execute(expired)
        return result.rowcount if isinstance(result, CursorResult) else 0

    def _mine(self, claim: Claim) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions for a record that is open and that no other living try has."""
        row = IdempotencyRow
        free = or_(col(row.owner) == claim.owner, col(row.locked_until) <= utc_now())
        return col(row.id) == claim.record, col(row.state) == "in_flight", free

    async def _update(self, claim: Claim, options: Mapping[str, Any] | None = None, **values: Any) -> bool:
        query = update(IdempotencyRow).where(*self._mine(claim)).values(**values)
        options = {"synchronize_session": False, **(options or {})}
        result = await self._session.execute(query, execution_options=options)
        return isinstance(result, CursorResult) and result.rowcount > 0
