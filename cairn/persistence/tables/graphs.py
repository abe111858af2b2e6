"""Table ``graphs``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class GraphRow(TenantRow, table=True):
    """A graph; what it does is said by its versions.

    Attributes:
        id: number that callers see.
        uuid: the other id that callers see.
        status: active or archived.
        folder_id: the folder that it is in; emptied when that is deleted.
        configuration: settings that hold for all versions.
        revision: +1 for each change of the graph or its versions.
    """

    __tablename__ = "graphs"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint("status IN ('active', 'archived')", name="status"),
        Index(None, "tenant", "live", "status", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    uuid: str = Field(unique=True)
    name: str
    status: str = "active"
    folder_id: int | None = Field(default=None, index=True, sa_type=BigId)
    configuration: JsonObject = Field(default_factory=dict, sa_type=JsonDocument)
    revision: int = 1
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
