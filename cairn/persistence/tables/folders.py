"""Table ``folders``."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, UtcDateTime, utc_now


class FolderRow(TenantRow, table=True):
    """A folder of graphs; ``graphs.folder_id`` says what is in it.

    Attributes:
        name: as people see it, once among a tenant's folders.
    """

    __tablename__ = "folders"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (UniqueConstraint("tenant", "live", "name"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    name: str
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
