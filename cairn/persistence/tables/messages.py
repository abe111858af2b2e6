"""Table ``messages``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field

from cairn.contracts.json import Json
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class MessageRow(TenantRow, table=True):
    """A message of a conversation. It is never changed once its turn has ended, and never removed by itself.

    Attributes:
        key: number in the order of writing, which is that of the conversation.
        id: the id that callers see, or have chosen: unique within the tenant, so that a message is one turn.
        role: user, assistant or system.
        content: its text.
        said: of an assistant's message: what the agent and its tools have said in the turn, as pydantic-ai keeps it.
        finished: the agent has answered; what it has said until then is no context of other turns.
        execution_id: the turn: of a user's message the latest one that answers it.
        discarded: a rollback went back over it.
    """

    __tablename__ = "messages"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint("role IN ('user', 'assistant', 'system')", name="role"),
        UniqueConstraint("tenant", "live", "id"),
        UniqueConstraint("conversation_key", "execution_id", "role"),
        Index(None, "conversation_key", "key"),
        Index(None, "execution_id"),
        {"sqlite_autoincrement": True},
    )

    key: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    id: str
    conversation_key: int = Field(foreign_key="conversations.key", sa_type=BigId)
    role: str
    content: str = ""
    said: Json = Field(default=None, sa_type=JsonDocument, nullable=True)
    finished: bool = True
    execution_id: str | None = None
    discarded: bool = False
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
