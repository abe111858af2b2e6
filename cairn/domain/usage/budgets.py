"""Budgets of a tenant and its users."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.usage.model import WHOLE, Budget, UserBudget, month_of, next_month, over_budget
from cairn.domain.usage.rows import budget_rows, limit_of, lock_rows, reserved, spent_in
from cairn.persistence.paging import Page
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import BudgetRow
from cairn.persistence.types import utc_now
from cairn.settings import Settings


class BudgetService:
    """Reads and sets the budgets of a tenant within a session; commits nothing."""

    def __init__(self, session: AsyncSession, scope: Scope, settings: Settings) -> None:
        """Take the session, whose budgets, and the installation's settings."""
        self._session = session
        self._scope = scope
        self._default = default_of(settings)

    async def get(self) -> Budget:
        """Return the tenant's budget in the present month."""
        now = utc_now()
        row = (await budget_rows(self._session, self._scope, [WHOLE])).get(WHOLE)
        taken = await reserved(self._session, self._scope, [WHOLE], now)
        return Budget(
            monthly_limit=row.monthly_limit if row is not None else None,
            effective_limit=limit_of(row, WHOLE, self._default),
            spent=spent_in(row, month_of(now)),
            reserved=taken[WHOLE],
            resets_at=next_month(now),
        )

    async def put(self, monthly_limit: Decimal | None) -> Budget:
        """Set the tenant's own limit; None: the installation's holds again."""
        await self._set(WHOLE, monthly_limit)
        return await self.get()

    async def users(self, page: int, page_size: int, anchor: int | None = None) -> Page[UserBudget]:
        """Return the users that have a limit or have ever spent anything, the latest known first."""
        rows = Repository(self._session, BudgetRow)
        users = col(BudgetRow.user_id) != WHOLE
        found = await rows.page(
            self._scope,
            users,
            key=BudgetRow.id,
            page=page,
            page_size=page_size,
            anchor=anchor,
        )
        return found.map(_user_budget)

    async def put_user(self, user_id: str, monthly_limit: Decimal | None) -> UserBudget:
        """Set what a user may spend; None for no limit but the tenant's."""
        return _user_budget(await self._set(user_id, monthly_limit))

    async def _set(self, user_id: str, monthly_limit: Decimal | None) -> BudgetRow:
        row = (await lock_rows(self._session, self._scope, [user_id], utc_now()))[user_id]
        row.monthly_limit = monthly_limit
        await self._session.flush()
        return row


async def require_budget(session: AsyncSession, scope: Scope, user_id: str, settings: Settings) -> None:
    """Refuse work of who has spent what the month allows.

    Raises:
        RateLimited: the tenant, or the user, has (``budget_exceeded``).
    """
    check_budget(await budget_rows(session, scope, [WHOLE, user_id]), user_id, settings)


def check_budget(rows: Mapping[str, BudgetRow], user_id: str, settings: Settings) -> None:
    """Refuse work of who has spent what the month allows; ``rows`` are those that there are, by user.

    Raises:
        RateLimited: as of ``require_budget``.
    """
    now = utc_now()
    for user in (WHOLE, user_id):
        row = rows.get(user)
        limit = limit_of(row, user, default_of(settings))
        if limit is not None and spent_in(row, month_of(now)) >= limit:
            raise over_budget(user, limit, now)


def default_of(settings: Settings) -> Decimal | None:
    """Return the limit of tenants that have none of their own."""
    return None if settings.monthly_budget is None else Decimal(str(settings.monthly_budget))


def _user_budget(row: BudgetRow) -> UserBudget:
    return UserBudget(row.user_id, row.monthly_limit, spent_in(row, month_of(utc_now())))
