"""Table ``llm_modes``."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlmodel import Field

from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import UtcDateTime, utc_now


class LlmModeRow(TenantRow, table=True):
    """Whose keys a tenant's direct calls of models use; without a row: those of the installation."""

    __tablename__ = "llm_modes"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (CheckConstraint("mode IN ('platform', 'byok')", name="mode"),)

    tenant: str = Field(primary_key=True)
    live: bool = Field(primary_key=True)
    mode: str
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
