"""Table ``draft_definitions``."""

from datetime import datetime

from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class DraftDefinitionRow(TenantRow, table=True):
    """A definition that a draft had when an execution of it began: the draft may be edited, the execution is not.

    Attributes:
        version_id: the version that was a draft then.
        digest: SHA-256 of the definition's canonical JSON.
    """

    __tablename__ = "draft_definitions"  # pyright: ignore[reportAssignmentType]

    version_id: int = Field(primary_key=True, foreign_key="graph_versions.id", sa_type=BigId)
    digest: str = Field(primary_key=True)
    definition: JsonObject = Field(sa_type=JsonDocument)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
