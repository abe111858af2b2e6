"""Table ``uploads``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field

from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, UtcDateTime, utc_now


class UploadRow(TenantRow, table=True):
    """A file that a caller was given a link for. It is there for others once it is stored.

    Attributes:
        file_key: the name that callers see, and where the storage has it.
        content_type: as it was announced.
        status: open until somebody sends the file, receiving while it comes in, then stored.
        size: bytes, once it is stored.
        expires_at: when the link ends.
    """

    __tablename__ = "uploads"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint("status IN ('open', 'receiving', 'stored')", name="status"),
        Index(None, "tenant", "status", "expires_at"),
    )

    file_key: str = Field(primary_key=True)
    content_type: str
    status: str = "open"
    size: int | None = Field(default=None, sa_type=BigId)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    stored_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
