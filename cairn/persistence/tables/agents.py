"""Table ``agents``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class AgentRow(TenantRow, table=True):
    """An agent: what its author says of it. What runs is its graph, which is compiled from that.

    Attributes:
        uuid: the id that callers see, which is that of its graph as well.
        graph_id: the graph, which is its own.
        parent_id: the agent that it was made under; None for one that stands by itself.
        status: active or archived, as that of its graph.
        model: as the configuration has it, so that lists and figures need not read that.
        config: the members of the configuration that have no column of their own.
        revision: +1 for each change of the configuration.
        author: who changed it last.
    """

    __tablename__ = "agents"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint("status IN ('active', 'archived')", name="status"),
        Index(None, "tenant", "live", "id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    uuid: str = Field(unique=True)
    graph_id: int = Field(foreign_key="graphs.id", unique=True, sa_type=BigId)
    parent_id: int | None = Field(default=None, foreign_key="agents.id", index=True, sa_type=BigId)
    name: str
    description: str = ""
    category: str
    status: str = "active"
    model: str | None = None
    config: JsonObject = Field(sa_type=JsonDocument)
    revision: int = 1
    author: str | None = None
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
