"""Tables ``budgets`` and ``budget_reserves``."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from cairn.persistence.tables.base import Row, TenantRow
from cairn.persistence.types import BigId, Dollars, UtcDateTime


class BudgetRow(TenantRow, table=True):
    """What a tenant, or one of its users, may spend on models in a month, and has spent in the present one.

    The row is also the lock: who reserves or settles holds it, so that of several at once none sees too little.

    Attributes:
        user_id: the user; ``""`` is the tenant as a whole.
        monthly_limit: US dollars; None for no limit of its own.
        month: the month that ``spent`` is of, such as ``2026-11``; what is spent in a later one begins at 0.
        spent: US dollars.
    """

    __tablename__ = "budgets"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (UniqueConstraint("tenant", "live", "user_id"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    user_id: str
    monthly_limit: Decimal | None = Field(default=None, sa_type=Dollars)
    month: str
    spent: Decimal = Field(default=Decimal(0), sa_type=Dollars)


class BudgetReserveRow(Row, table=True):
    """What a request to a model that is under way may cost at most.

    Attributes:
        work: the activity that makes the request: it makes one at a time, and its next try replaces this one's.
        key: of the request (``model_calls.key``).
        amount: US dollars.
        expires_at: when whoever made it must be dead.
    """

    __tablename__ = "budget_reserves"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (Index(None, "tenant", "live", "month"),)

    work: str = Field(primary_key=True)
    key: str
    tenant: str
    live: bool
    user_id: str
    month: str
    amount: Decimal = Field(sa_type=Dollars)
    expires_at: datetime = Field(sa_type=UtcDateTime)
