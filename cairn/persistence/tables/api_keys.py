"""Table ``api_keys``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, LargeBinary
from sqlmodel import Field

from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import JsonDocument, UtcDateTime, utc_now


class ApiKeyRow(TenantRow, table=True):
    """An API key. The key itself is not kept.

    Attributes:
        prefix: the public beginning of the key, by which it is found and shown.
        hash: keyed hash (HMAC-SHA256) of the whole key.
        scopes: what it allows, ``["*"]`` for all.
        user_id: the person or service that it stands for.
        principal: human or service.
    """

    __tablename__ = "api_keys"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (CheckConstraint("principal IN ('human', 'service')", name="principal"),)

    id: str = Field(primary_key=True)
    prefix: str = Field(unique=True)
    hash: bytes = Field(sa_type=LargeBinary)
    tenant: str = Field(index=True)
    scopes: list[str] = Field(sa_type=JsonDocument)
    user_id: str | None = None
    principal: str = "service"
    name: str = ""
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
