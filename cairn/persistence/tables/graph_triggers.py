"""Table ``graph_triggers``."""

from sqlmodel import Field

from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId


class GraphTriggerRow(TenantRow, table=True):
    """A trigger path that a graph's draft or published version holds. A path is public, so no two graphs share one.

    Attributes:
        path: the last part of the trigger's URL.
    """

    __tablename__ = "graph_triggers"  # pyright: ignore[reportAssignmentType]

    path: str = Field(primary_key=True)
    graph_id: int = Field(foreign_key="graphs.id", index=True, sa_type=BigId)
