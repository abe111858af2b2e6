"""Table ``user_settings``."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from cairn.contracts.json import JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, UtcDateTime, utc_now


class UserSettingsRow(TenantRow, table=True):
    """What a user has set otherwise than the defaults.

    Attributes:
        user_id: whose settings (``Principal.author``).
        overrides: the merge patch that leads from the defaults to the user's settings.
        version: +1 for each change.
    """

    __tablename__ = "user_settings"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (UniqueConstraint("tenant", "live", "user_id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    user_id: str
    overrides: JsonObject = Field(default_factory=dict, sa_type=JsonDocument)
    version: int = 0
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
