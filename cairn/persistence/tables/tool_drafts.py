"""Table ``tool_drafts``."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class ToolDraftRow(TenantRow, table=True):
    """A tool that a model wrote for an agent and that nobody has made one of the agent's yet.

    Attributes:
        agent_id: uuid of the agent.
        definition: as that of a tool.
        tests: calls that the model thinks should work, with what they return.
    """

    __tablename__ = "tool_drafts"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (Index(None, "tenant", "live", "agent_id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    uuid: str = Field(unique=True)
    agent_id: str
    name: str
    description: str
    definition: JsonObject = Field(sa_type=JsonDocument)
    tests: list[JsonObject] = Field(default_factory=list, sa_type=JsonDocument)
    author: str | None = None
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
