"""Table ``draft_definitions``."""

from datetime import datetime

from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class DraftDefinitionRow(TenantRow, table=True):
    """A definition that an execution began with and that its version does not have, or not for ever.

    A draft may be edited, the execution is not; a run of one tool has a graph of its own.

    Attributes:
        version_id: the version that was a draft then, or that of the agent whose tool is run.
        digest: SHA-256 of the definition's canonical JSON.
    """

    __tablename__ = "draft_definitions"  # pyright: ignore[reportAssignmentType]

    version_id: int = Field(primary_key=True, foreign_key="graph_versions.id", sa_type=BigId)
    digest: str = Field(primary_key=True)
    definition: JsonObject = Field(sa_type=JsonDocument)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
