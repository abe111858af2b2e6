"""Table ``prompt_block_renders``."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, UtcDateTime, utc_now


class PromptBlockRenderRow(TenantRow, table=True):
    """What a cached prompt block was rendered to; all API processes and workers share it.

    Attributes:
        block: the block's name.
        version: the block's when the rendering began.
        key: digest of all that the output depends on besides the block.
        rendered: the output, wrapped.
        tokens: of it.
        expires_at: it is not read from then on.
    """

    __tablename__ = "prompt_block_renders"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (UniqueConstraint("tenant", "live", "block", "version", "key"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    block: str
    version: str
    key: str
    rendered: str
    tokens: int
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)
