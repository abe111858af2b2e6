"""Table ``prompt_blocks``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class PromptBlockRow(TenantRow, table=True):
    """A static prompt block of a tenant, or what the tenant has changed of a built-in one.

    Attributes:
        name: what prompts and paths name it by.
        type: static: an own block; dynamic: changes of the built-in block of this name.
        body: template of a static block.
        settings: its members that are not as they are by default.
        version: new after each change and each emptying of its cache; what was cached under another is not read.
    """

    __tablename__ = "prompt_blocks"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint("type IN ('static', 'dynamic')", name="type"),
        CheckConstraint("(type = 'static') = (body IS NOT NULL)", name="body"),
        UniqueConstraint("tenant", "live", "name"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    name: str
    type: str
    body: str | None = None
    settings: JsonObject = Field(sa_type=JsonDocument)
    version: str
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
