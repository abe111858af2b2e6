"""Table ``conversation_blocks``."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, UtcDateTime, utc_now


class ConversationBlockRow(TenantRow, table=True):
    """What a block was rendered to when it was put into a conversation, where it stays as it is.

    Attributes:
        block: the block's name.
        version: the block's when it was rendered; another one is rendered anew.
        rendered: its text, wrapped.
        tokens: of it.
    """

    __tablename__ = "conversation_blocks"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (UniqueConstraint("conversation_key", "block"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    conversation_key: int = Field(foreign_key="conversations.key", sa_type=BigId)
    block: str
    version: str
    rendered: str
    tokens: int
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
