"""Table ``conversations``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, Index
from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class ConversationRow(TenantRow, table=True):
    """What a person and agents say to each other; each turn is an execution.

    Attributes:
        key: number in the order of creation.
        id: the id that callers see.
        agent_id: of the agent that took the last turn, or is to take the first.
        user_id: whose it is, as executions tell it.
        generated: the title was made by the installation, not given by a person.
        channel: where it is held.
        metadata_: the caller's own (column ``metadata``).
        revision: +1 for each change that a reader sees.
        forked_from: id of the conversation that it began as a copy of.
        last_message_at: when the latest message that counts was written.
    """

    __tablename__ = "conversations"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint("status IN ('active', 'completed', 'escalated', 'archived')", name="status"),
        Index(None, "tenant", "live", "key"),
        Index(None, "tenant", "live", "agent_id", "key"),
        {"sqlite_autoincrement": True},
    )

    key: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    id: str = Field(unique=True)
    agent_id: str
    user_id: str | None = None
    title: str = ""
    generated: bool = True
    status: str = "active"
    channel: str = "api"
    metadata_: JsonObject = Field(default_factory=dict, sa_column=Column("metadata", JsonDocument, nullable=False))
    revision: int = 1
    forked_from: str | None = None
    messages_count: int = 0
    last_message_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
