"""Table ``tools``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now

_NAMED = text("status = 'active' AND called IS NOT NULL")


class ToolRow(TenantRow, table=True):
    """A tool that an author made over the API; those of the installation's modules have no row.

    Attributes:
        name: for people; what a model calls it follows from it.
        called: the name by which agents and graphs call it; None for a tool that nodes of calls name by uuid alone.
        version: +1 for each change of what it does.
        category: kind of the definition.
        status: active or archived; archived ones are not called any more.
        definition: what it does, by its category.
    """

    __tablename__ = "tools"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint("status IN ('active', 'archived')", name="status"),
        Index(None, "tenant", "live", "id"),
        Index("uq_tools_called", "tenant", "live", "called", unique=True, sqlite_where=_NAMED, postgresql_where=_NAMED),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    uuid: str = Field(unique=True)
    name: str
    called: str | None = None
    version: int = 1
    description: str | None = None
    category: str
    icon: str | None = None
    icon_color: str | None = None
    status: str = "active"
    definition: JsonObject = Field(sa_type=JsonDocument)
    author: str | None = None
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
