"""The ledger: before a request to a model its cost is reserved, afterwards it is written down and settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import Row, Select, bindparam, case, delete, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.usage.model import Asked, Request, over_budget
from cairn.domain.usage.rows import (
    Payer,
    budget_rows,
    budgets_in,
    limit_of,
    lock_rows,
    owner,
    reserved,
    spent_in,
    with_budgets,
)
from cairn.persistence.first_write import ALONE
from cairn.persistence.repository import insert_into
from cairn.persistence.session import Database
from cairn.persistence.tables import BudgetReserveRow, BudgetRow, ExecutionRow, ModelCallRow
from cairn.persistence.types import Dollars

# Made once: to make a statement costs more than to carry it out, and each request to a model asks these. Who pays is
# not looked up by tenant: the work itself asks.
_COLUMNS: list[Any] = [ExecutionRow.id, ExecutionRow.user_id, ExecutionRow.workflow_uuid]
_PAYER = cast("Select[Any]", select(*_COLUMNS).where(col(ExecutionRow.temporal_id) == bindparam("work_of")))
_PAYER_WITH_BUDGETS = with_budgets(_PAYER, col(ExecutionRow.user_id))
_CALLS = ModelCallRow.metadata.tables["model_calls"]
_INSERTS = {
    name: dialect.insert(_CALLS).on_conflict_do_nothing(index_elements=["key"]).returning(_CALLS.c.id)
    for name, dialect in (("postgresql", postgresql), ("sqlite", sqlite))
}


@dataclass(frozen=True, slots=True)
class Reserved:
    """What was found when a request was let through: who pays, and whether anything is reserved for it."""

    payer: Payer
    held: bool


class Ledger:
    """Writes down requests to models, and lets none be made by who has spent what a month allows.

    A request is let through while what is spent and what others have reserved is under the limit. Whoever asks holds
    the budget's row, in whichever process: so the limit is passed by one request's reserve at most.
    """

    def __init__(self, database: Database, monthly_budget: float | None = None) -> None:
        """Take the database and the limit of tenants that have none of their own."""
        self._database = database
        self._default = None if monthly_budget is None else Decimal(str(monthly_budget))

    async def reserve(self, request: Request, estimate: Callable[[], Decimal], lasts: timedelta) -> Reserved:
        """Reserve what a request may cost; without a limit, or a price, there is nothing to reserve.

        Args:
            request: that is to be made.
            estimate: returns US dollars.
            lasts: how long, should nobody settle or release it. The next try of the same work replaces it at once.

        Raises:
            RateLimited: the tenant, or the user, has spent what the month allows (``budget_exceeded``).
        """
        async with self._database.session() as session:
            payer, rows = await _payer_with_budgets(session, request)
        if all(limit_of(rows.get(user), user, self._default) is None for user in payer.users):
            return Reserved(payer, held=False)
        amount = estimate()
        if amount > 0:
            async with self._database.transaction() as session:
                await self._reserve(session, request, payer, amount, lasts)
        return Reserved(payer, held=amount > 0)

    async def _reserve(
        self, session: AsyncSession, request: Request, payer: Payer, amount: Decimal, lasts: timedelta
    ) -> None:
        now, scope = request.at, payer.scope
        rows = await lock_rows(session, scope, payer.users, now)
        await session.execute(_stale(request))
        taken = await reserved(session, scope, payer.users, now)
        for user in payer.users:
            limit = limit_of(rows[user], user, self._default)
            if limit is not None and spent_in(rows[user], request.month) + taken[user] >= limit:
                raise over_budget(user, limit, now)
        session.add(
            BudgetReserveRow(
                **owner(scope),
                work=request.work,
                key=request.key,
                user_id=payer.user_id or "",
                month=request.month,
                amount=amount,
                expires_at=now + lasts,
            )
        )

    async def settle(self, request: Request, asked: Asked, reserved: Reserved | None = None) -> None:
        """Write down what a request used, once however often it is told, and take it from the budgets.

        Args:
            request: that was made.
            asked: what it used.
            reserved: what :meth:`reserve` said of it; then nothing of that is asked for again.
        """
        alone = reserved is not None and not reserved.held and not asked.cost
        async with self._database.transaction() as session:
            payer = reserved.payer if reserved else await _payer(session, request)
            # Whoever reserves locks budgets first: in the other order two could wait for each other.
            if await _write(session, request, payer, asked, alone=alone) and asked.cost:
                for user in payer.users:
                    await _spend(session, payer, user, request.month, asked.cost)
            if reserved is None or reserved.held:
                await session.execute(_reserve_of(request))

    async def release(self, request: Request) -> None:
        """Give back what was reserved for a request that has used nothing."""
        async with self._database.transaction() as session:
            await session.execute(_reserve_of(request))


def _stale(request: Request):
    """Return the removal of what an earlier try of the work left, and of what has expired."""
    table = BudgetReserveRow
    expired = (
        (col(table.tenant) == request.scope.tenant)
        & (col(table.live) == (request.scope.live is not False))
        & (col(table.expires_at) <= request.at)
    )
    return delete(table).where(expired | (col(table.work) == request.work))


def _reserve_of(request: Request):
    table = BudgetReserveRow
    return delete(table).where(col(table.work) == request.work, col(table.key) == request.key)


async def _payer(session: AsyncSession, request: Request) -> Payer:
    """Return who pays."""
    found = (await session.execute(_PAYER, {"work_of": request.temporal_id})).one_or_none()
    return _payer_in(request, found)


async def _payer_with_budgets(session: AsyncSession, request: Request) -> tuple[Payer, dict[str, BudgetRow]]:
    """Return who pays, and the budgets that there are, by user."""
    values = {**owner(request.scope), "work_of": request.temporal_id}
    found = (await session.execute(_PAYER_WITH_BUDGETS, values)).all()
    payer = _payer_in(request, found[0] if found else None)
    rows = budgets_in(payer.scope, found) if found else await budget_rows(session, payer.scope, payer.users)
    return payer, rows


def _payer_in(request: Request, found: Row[Any] | None) -> Payer:
    if found is None:  # it belongs to no execution
        return Payer(request.scope, request.execution_id, request.user_id)
    return Payer(request.scope, found.id, found.user_id, found.workflow_uuid)


async def _write(session: AsyncSession, request: Request, payer: Payer, asked: Asked, *, alone: bool) -> bool:
    """Write down what was used, unless it is; ``alone``: this is all that is written. Returns whether it was not."""
    values = {
        **owner(payer.scope),
        "key": request.key,
        "user_id": payer.user_id,
        "agent_id": payer.agent_id,
        "execution_id": payer.execution_id,
        "node_id": request.node_id,
        "visit": request.visit,
        "model": request.model,
        "input_tokens": asked.input_tokens,
        "output_tokens": asked.output_tokens,
        "cost": asked.cost,
        "day": request.at.date(),
        "at": request.at,
    }
    query = _INSERTS[session.get_bind().dialect.name]
    made = await session.execute(query, values, execution_options=ALONE if alone else {})
    return made.scalar_one_or_none() is not None


async def _spend(session: AsyncSession, payer: Payer, user: str, month: str, cost: Decimal) -> None:
    table, amount = BudgetRow, literal(cost, Dollars())
    values = {**owner(payer.scope), "user_id": user, "month": month, "spent": cost}
    # What is settled after the turn of the month is of the month before, which nobody asks for any more.
    spent = case(
        (col(table.month) == month, col(table.spent) + amount), (col(table.month) < month, amount), else_=table.spent
    )
    latest = case((col(table.month) < month, literal(month)), else_=col(table.month))
    query = insert_into(session, table).values(values)
    await session.execute(
        query.on_conflict_do_update(
            index_elements=["tenant", "live", "user_id"], set_={"spent": spent, "month": latest}
        )
    )
