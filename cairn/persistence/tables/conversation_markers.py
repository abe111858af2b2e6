"""Table ``conversation_markers``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class MarkerRow(TenantRow, table=True):
    """Something that happened to a conversation as a whole.

    Attributes:
        key: number in the order of happening.
        id: the id that callers see.
        message_key: the message that it stands after; of a compression the last one that is summarised.
        data: of a compression ``{summary, …}``; of others what there is to say.
        void: a rollback went back over it.
    """

    __tablename__ = "conversation_markers"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint("kind IN ('compress', 'rollback', 'handover', 'title')", name="kind"),
        Index(None, "conversation_key", "key"),
        {"sqlite_autoincrement": True},
    )

    key: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    id: str = Field(unique=True)
    conversation_key: int = Field(foreign_key="conversations.key", sa_type=BigId)
    kind: str
    message_key: int | None = Field(default=None, sa_type=BigId)
    data: JsonObject = Field(default_factory=dict, sa_type=JsonDocument)
    void: bool = False
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
