"""Table ``idempotency``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, LargeBinary
from sqlmodel import Field

from cairn.persistence.tables.base import Row
from cairn.persistence.types import JsonDocument, UtcDateTime, utc_now


class IdempotencyRow(Row, table=True):
    """A request that was sent with an ``Idempotency-Key``.

    Attributes:
        id: digest of API key, method, path and idempotency key: the four can be longer than an index holds.
        request_hash: digest of the body.
        state: in_flight or done.
        owner: token of the process that works on it.
        locked_until: until then its owner is taken to be alive.
        resource_id: what the request made or works on; a retry after a crash goes on with it.
        status_code: of the stored reply, as ``headers`` and ``body``.
    """

    __tablename__ = "idempotency"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (CheckConstraint("state IN ('in_flight', 'done')", name="state"),)

    id: str = Field(primary_key=True)
    key_id: str
    method: str
    path: str
    idempotency_key: str
    request_hash: str
    state: str = "in_flight"
    owner: str
    locked_until: datetime = Field(sa_type=UtcDateTime)
    resource_id: str | None = None
    status_code: int | None = None
    headers: dict[str, str] | None = Field(default=None, sa_type=JsonDocument)
    body: bytes | None = Field(default=None, sa_type=LargeBinary)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, index=True)
