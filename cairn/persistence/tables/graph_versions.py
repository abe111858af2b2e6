"""Table ``graph_versions``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now

_DRAFT, _PUBLISHED = text("status = 'draft'"), text("status = 'published'")


class GraphVersionRow(TenantRow, table=True):
    """A version of a graph. The database itself holds each graph to one draft and one published version.

    Attributes:
        version: number within the graph, from 1.
        status: draft, published or archived; only a draft's definition changes.
        definition: as its author sent it.
        digest: SHA-256 of the definition's canonical JSON.
        node_count: of the definition, so that lists need not read it.
        author: who wrote it.
    """

    __tablename__ = "graph_versions"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'published', 'archived')", name="status"),
        UniqueConstraint("graph_id", "version"),
        Index("uq_graph_versions_draft", "graph_id", unique=True, sqlite_where=_DRAFT, postgresql_where=_DRAFT),
        Index(
            "uq_graph_versions_published", "graph_id", unique=True, sqlite_where=_PUBLISHED, postgresql_where=_PUBLISHED
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    graph_id: int = Field(foreign_key="graphs.id", sa_type=BigId)
    version: int
    status: str = "draft"
    definition: JsonObject = Field(sa_type=JsonDocument)
    digest: str
    node_count: int = 0
    author: str | None = None
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    published_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
