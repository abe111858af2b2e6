"""Table ``model_calls``."""

import datetime
from decimal import Decimal

from sqlalchemy import Index
from sqlmodel import Field

from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, Dollars, UtcDateTime


class ModelCallRow(TenantRow, table=True):
    """One request to a language model: the ledger of what models have used.

    Attributes:
        key: names the request: the activity's try that made it, and its number within that.
        user_id: for whom; None when nobody is known.
        agent_id: uuid of the graph.
        execution_id: the execution, as callers name it; of a graph that a model writes, that of its workflow.
        model: as graphs name it.
        cost: US dollars; None when no price of the model is known.
        day: of ``at``, in UTC.
        at: when the request was made.
    """

    __tablename__ = "model_calls"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (Index(None, "tenant", "live", "day"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    key: str = Field(unique=True)
    user_id: str | None = None
    agent_id: str | None = None
    execution_id: str
    node_id: str
    visit: int
    model: str
    input_tokens: int = Field(sa_type=BigId)
    output_tokens: int = Field(sa_type=BigId)
    cost: Decimal | None = Field(default=None, sa_type=Dollars)
    day: datetime.date
    at: datetime.datetime = Field(sa_type=UtcDateTime)
