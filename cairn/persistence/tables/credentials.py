"""Table ``credentials``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, LargeBinary, UniqueConstraint
from sqlmodel import Field

from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, UtcDateTime, utc_now


class CredentialRow(TenantRow, table=True):
    """What opens an outside service; nodes and tools name it by its uuid. Its secret is here as ciphertext alone.

    Attributes:
        name: for people; no two of one tenant have the same.
        kind: how the secret becomes headers of a request.
        key_id: which key it is encrypted with.
        sealed: nonce and AES-256-GCM ciphertext of the secret's JSON.
    """

    __tablename__ = "credentials"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint("kind IN ('none', 'api_key', 'bearer_token', 'basic_auth', 'custom_header')", name="kind"),
        UniqueConstraint("tenant", "live", "name"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    uuid: str = Field(unique=True)
    name: str
    description: str | None = None
    kind: str
    key_id: str
    sealed: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
