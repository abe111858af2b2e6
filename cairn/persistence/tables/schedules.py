"""Table ``schedules``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, Index
from sqlmodel import Field

from cairn.contracts.json import Json, JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class ScheduleRow(TenantRow, table=True):
    """What a caller wants to be started at which times; the schedule of the same id in Temporal does it.

    Attributes:
        key: number in the order of creation.
        id: the id that callers see, and the id of the schedule in Temporal.
        workflow_uuid: uuid of the graph; which version is run is decided at each firing.
        spec: dump of ``contracts.schedules.Spec``.
        paused: as Temporal had it when the row was written.
        note: why it is paused, for people.
        state_asked: ``paused`` and ``note`` are a caller's wish that Temporal does not know yet.
        generation: +1 for each change by a caller.
        applied: the generation that the schedule in Temporal has; less than ``generation`` after a crash.
        payload_key: id of the key that the schedule in Temporal is encrypted with; None: it is plain.
        deleting: a caller deleted it; it goes when it is gone in Temporal.
    """

    __tablename__ = "schedules"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint(
            "overlap IN ('skip', 'buffer_one', 'buffer_all', 'cancel_other', 'terminate_other', 'allow_all')",
            name="overlap",
        ),
        Index(None, "tenant", "live", "created_at", "key"),
        {"sqlite_autoincrement": True},
    )

    key: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    id: str = Field(unique=True)
    name: str | None = None
    graph_id: int = Field(foreign_key="graphs.id", index=True, sa_type=BigId)
    workflow_uuid: str
    input_data: Json = Field(default_factory=dict, sa_type=JsonDocument, nullable=True)
    metadata_: JsonObject = Field(default_factory=dict, sa_column=Column("metadata", JsonDocument, nullable=False))
    spec: JsonObject = Field(sa_type=JsonDocument)
    overlap: str = "skip"
    catchup_window_seconds: int = 3600
    pause_on_failure: bool = False
    paused: bool = False
    note: str | None = None
    state_asked: bool = False
    generation: int = 1
    applied: int = 0
    payload_key: str | None = None
    deleting: bool = False
    created_by: str
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
