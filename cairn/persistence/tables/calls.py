"""Table ``calls``."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index
from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime


class CallRow(TenantRow, table=True):
    """What came of a call: one row an execution of a voice graph, written when the call ends.

    A rollback or replay lets the call end anew; the row then tells of the new end.

    Attributes:
        execution_id: the execution; its ids are unique within a tenant.
        graph_version_id: the version that was run.
        created_at: when the execution was made.
        ended_at: when the call ended.
        phone_number: of the other side, E.164.
        disposition: how the call ended (``docs/voice-calls.md`` lists the values).
        duration_seconds: from the first word to the last.
        extracted: values of the extraction variables, in the order in which they were found.
        tags: what was noted of the call.
        summary: of the transcript.
        transcript_url: where the transcript is.
        recording_url: where the recording is.
    """

    __tablename__ = "calls"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        ForeignKeyConstraint(["tenant", "execution_id"], ["executions.tenant", "executions.id"], ondelete="CASCADE"),
        Index(None, "tenant", "live", "graph_id", "created_at", "execution_id"),
    )

    tenant: str = Field(primary_key=True)
    execution_id: str = Field(primary_key=True)
    graph_id: int = Field(foreign_key="graphs.id", index=True, sa_type=BigId)
    graph_version_id: int = Field(foreign_key="graph_versions.id", index=True, sa_type=BigId)
    created_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime = Field(sa_type=UtcDateTime)
    phone_number: str | None = None
    disposition: str | None = None
    duration_seconds: float = 0.0
    extracted: JsonObject = Field(default_factory=dict, sa_type=JsonDocument)
    tags: list[str] = Field(default_factory=list, sa_type=JsonDocument)
    summary: str | None = None
    transcript_url: str | None = None
    recording_url: str | None = None
