"""The rows of budgets: finding, making and locking them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import Row, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.usage.model import WHOLE, month_of
from cairn.persistence.repository import Repository, Scope, insert_into, owned_by_caller
from cairn.persistence.tables import BudgetReserveRow, BudgetRow


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays for a request, and for which agent.

    Attributes:
        execution_id: as callers name it.
        user_id: None when nobody is known.
        agent_id: uuid of the graph.
    """

    scope: Scope
    execution_id: str
    user_id: str | None = None
    agent_id: str | None = None

    @property
    def users(self) -> list[str]:
        """Whose budgets it takes from; in the order in which their rows are locked."""
        return [WHOLE, self.user_id] if self.user_id else [WHOLE]


async def budget_rows(session: AsyncSession, scope: Scope, users: Sequence[str]) -> dict[str, BudgetRow]:
    """Return the rows that there are, by user."""
    rows = Repository(session, BudgetRow)
    return {row.user_id: row for row in await rows.all(scope, col(BudgetRow.user_id).in_(users))}


def with_budgets(look_up: Select[Any], user: Any) -> Select[Any]:
    """Return a statement, to be made once, that reads budgets with what it looks up: :func:`budgets_in` what it finds.

    It is given ``caller(scope)`` and finds a row for each budget that there is, one at least.

    Args:
        look_up: finds one row.
        user: column or parameter that says whose budget, besides the tenant's as a whole.
    """
    of_payer = or_(col(BudgetRow.user_id) == WHOLE, col(BudgetRow.user_id) == user)
    columns = {name: col(getattr(BudgetRow, name)) for name in ("monthly_limit", "month", "spent")}
    query = look_up.outerjoin(BudgetRow, and_(*owned_by_caller(BudgetRow), of_payer))
    return query.add_columns(col(BudgetRow.user_id).label("budget_of"), *columns.values())


def budgets_in(scope: Scope, found: Iterable[Row[Any]]) -> dict[str, BudgetRow]:
    """Return the budgets among what such a statement found, by user; they are in no session."""
    return {
        row.budget_of: BudgetRow(
            tenant=scope.tenant,
            user_id=row.budget_of,
            monthly_limit=row.monthly_limit,
            month=row.month,
            spent=row.spent,
        )
        for row in found
        if row.budget_of is not None
    }


async def lock_rows(session: AsyncSession, scope: Scope, users: Sequence[str], now: datetime) -> dict[str, BudgetRow]:
    """Return the rows of all the users, made when they are missing; nobody else changes them in this transaction.

    One after the other, in the users' order, as whoever settles has them: else two could wait for each other.
    """
    return {user: await _lock(session, scope, user, now) for user in users}


async def _lock(session: AsyncSession, scope: Scope, user: str, now: datetime) -> BudgetRow:
    rows, of_user = Repository(session, BudgetRow), col(BudgetRow.user_id) == user
    found = await rows.get(scope, of_user, lock=True)
    if found is None:
        values = {**owner(scope), "user_id": user, "month": month_of(now), "spent": Decimal(0)}
        made = insert_into(session, BudgetRow).values(values)
        await session.execute(made.on_conflict_do_nothing(index_elements=["tenant", "live", "user_id"]))
        found = await rows.get(scope, of_user, lock=True)
    return cast("BudgetRow", found)


async def reserved(session: AsyncSession, scope: Scope, users: Iterable[str], now: datetime) -> dict[str, Decimal]:
    """Return what requests under way may cost, by user."""
    table, found = BudgetReserveRow, dict[str, Decimal]()
    ours = (
        col(table.tenant) == scope.tenant,
        col(table.live) == (scope.live is not False),
        col(table.month) == month_of(now),
        col(table.expires_at) > now,
    )
    for user in users:
        mine = (*ours, col(table.user_id) == user) if user != WHOLE else ours
        total = (await session.execute(select(func.sum(col(table.amount))).where(*mine))).scalar_one()
        found[user] = total or Decimal(0)
    return found


def owner(scope: Scope) -> dict[str, Any]:
    """Return the members of a row that say whose it is."""
    return {"tenant": scope.tenant, "live": scope.live is not False}


def limit_of(row: BudgetRow | None, user: str, default: Decimal | None) -> Decimal | None:
    """Return the limit that holds; ``default`` is the installation's, of a tenant as a whole."""
    if row is not None and row.monthly_limit is not None:
        return row.monthly_limit
    return default if user == WHOLE else None


def spent_in(row: BudgetRow | None, month: str) -> Decimal:
    """Return what was spent in a month, as far as the row knows: it is of the latest one."""
    return row.spent if row is not None and row.month == month else Decimal(0)
