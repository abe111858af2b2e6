"""Table ``compensations``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import Field

from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, UtcDateTime, utc_now


class CompensationRow(TenantRow, table=True):
    """The undo of a node's effect: one row an effect, so that no later rollback undoes it again.

    Attributes:
        temporal_id: Temporal workflow id of the execution.
        lineage: the line in which the node had its effect.
        visit: which visit of the node.
        operation_id: the reset that undid it, or tried last.
        status: done or failed; a failed one may be tried by another rollback.
        error: why it failed.
    """

    __tablename__ = "compensations"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint("status IN ('done', 'failed')", name="status"),
        UniqueConstraint("temporal_id", "lineage", "node_id", "visit"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    temporal_id: str
    lineage: str
    node_id: str
    visit: int
    operation_id: str
    tool: str
    status: str
    error: str | None = None
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
