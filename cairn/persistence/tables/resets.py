"""Table ``resets``."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import JsonDocument, UtcDateTime, utc_now


class ResetRow(TenantRow, table=True):
    """A reset that Cairn made, written by its operation; those made with Temporal's own tools are in history alone.

    Attributes:
        operation_id: names the reset; it is its reason in Temporal's history.
        temporal_id: Temporal workflow id of the execution.
        kind: replay, rollback.
        base_run_id: the run that was reset.
        run_id: the run that the reset made.
        revision: the execution's revision afterwards.
        requested_by: the user, or the key, that asked for it.
        compensations: what the undos of a rollback came to (``contracts.resets.Compensated``), newest effect first.
        stopped: Temporal ids of the child executions that it stopped.
    """

    __tablename__ = "resets"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (CheckConstraint("kind IN ('replay', 'rollback')", name="kind"),)

    operation_id: str = Field(primary_key=True)
    temporal_id: str = Field(index=True)
    kind: str
    checkpoint_id: str
    checkpoint_name: str
    base_run_id: str
    run_id: str
    revision: int
    requested_by: str
    compensations: list[JsonObject] = Field(default_factory=list, sa_type=JsonDocument)
    stopped: list[str] = Field(default_factory=list, sa_type=JsonDocument)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
