"""Table ``requests``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, Index
from sqlmodel import Field

from cairn.contracts.json import Json, JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class RequestRow(TenantRow, table=True):
    """What an execution asks a person: an approval or a question. The execution holds the truth, and waits.

    Attributes:
        key: number in the order of asking.
        id: the id that callers see; made by the execution.
        run_id: the run that asked.
        lineage: the line of the execution that asked; a reset ends the line, and with it the request.
        tool_name: the tool that an agent wants to call, None for an approval of the graph itself.
        agent_id: uuid of the graph that asks.
        schema_: JSON Schema of a question's answer, or of a tool's arguments (column ``schema``).
        assignees: who may answer, empty for anyone of the tenant.
        notify: URL that is told.
        notified_at: when it was told last.
        notify_error: why it could not be told.
        decision: approved or denied.
        answer: of a question.
        waited: seconds from asking to the end.
    """

    __tablename__ = "requests"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint("kind IN ('approval', 'question')", name="kind"),
        CheckConstraint(
            "status IN ('pending', 'approved', 'denied', 'answered', 'expired', 'cancelled')", name="status"
        ),
        Index(None, "tenant", "live", "kind", "status", "key"),
        Index(None, "tenant", "live", "tool_id", "status"),
        Index(None, "temporal_id", "status"),
        {"sqlite_autoincrement": True},
    )

    key: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    id: str = Field(unique=True)
    kind: str
    status: str = "pending"
    execution_id: str
    temporal_id: str
    run_id: str
    lineage: str
    node_id: str
    visit: int
    prompt: str = ""
    tool_id: str | None = None
    tool_name: str | None = None
    agent_id: str | None = None
    conversation_id: str | None = None
    arguments: JsonObject | None = Field(default=None, sa_type=JsonDocument)
    schema_: JsonObject | None = Field(default=None, sa_column=Column("schema", JsonDocument, nullable=True))
    assignees: list[str] = Field(default_factory=list, sa_type=JsonDocument)
    escalated: bool = False
    notify: str | None = None
    notified_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    notify_error: str | None = None
    requested_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_by: str | None = None
    decision: str | None = None
    reason: str | None = None
    modified_arguments: JsonObject | None = Field(default=None, sa_type=JsonDocument)
    answer: Json = Field(default=None, sa_type=JsonDocument, nullable=True)
    waited: float | None = None
