"""Requests to models are written down once, and no budget is overspent however many ask at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from persistence.rows import Executions
from sqlalchemy import func, select
from statements import statements

from cairn.domain.usage import Asked, BudgetService, Ledger, Request, Reserved, require_budget, summarize
from cairn.domain.usage.model import month_of, next_month
from cairn.domain.usage.rows import Payer
from cairn.errors import RateLimited, Unavailable
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database, create_engine
from cairn.persistence.tables import BudgetReserveRow, BudgetRow, ModelCallRow
from cairn.persistence.types import utc_now
from cairn.settings import Settings

SCOPE = Scope("acme", True)
LEASE = timedelta(minutes=15)


def request(
    number: int | str = 1, user_id: str | None = "ann", attempt: int = 1, at: datetime | None = None
) -> Request:
    return Request(
        work=f"work{number}",
        key=f"work{number}/{attempt}",
        temporal_id=f"e{number}",
        execution_id=f"e{number}",
        scope=SCOPE,
        node_id="n",
        visit=1,
        model="openai:gpt-4o",
        user_id=user_id,
        at=at or utc_now(),
    )


def dollars(amount: str):
    return lambda: Decimal(amount)


def used(cost: str | None) -> Asked:
    return Asked(100, 20, None if cost is None else Decimal(cost))


class Budgets:
    """Budgets over one database, each step in a transaction of its own."""

    def __init__(self, database: Database, **settings) -> None:
        self.database, self.settings = database, Settings(**settings)

    async def _do(self, name: str, *arguments, scope: Scope = SCOPE):
        async with self.database.transaction() as session:
            return await getattr(BudgetService(session, scope, self.settings), name)(*arguments)

    async def get(self, scope: Scope = SCOPE):
        return await self._do("get", scope=scope)

    async def limit(self, amount: str | None):
        return await self._do("put", amount and Decimal(amount))

    async def limit_user(self, user: str, amount: str | None):
        return await self._do("put_user", user, amount and Decimal(amount))

    async def users(self):
        return {each.user_id: each for each in (await self._do("users", 1, 100)).items}


async def count(database: Database, table) -> int:
    async with database.session() as session:
        return (await session.execute(select(func.count()).select_from(table))).scalar_one()


@pytest.fixture
def budgets(database: Database) -> Budgets:
    return Budgets(database)


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Database]:
    """The same database, as another process sees it."""
    made = Database(create_engine(database_url))
    yield made
    await made.dispose()


async def test_a_request_is_reserved_and_then_settled(database: Database, budgets: Budgets) -> None:
    ledger, one = Ledger(database), request()
    await budgets.limit("10")
    await ledger.reserve(one, dollars("0.5"), LEASE)
    budget = await budgets.get()
    assert (budget.spent, budget.reserved, budget.remaining) == (0, Decimal("0.5"), Decimal("9.5"))
    assert (budget.monthly_limit, budget.effective_limit, budget.source) == (10, 10, "override")
    await ledger.settle(one, used("0.000000125"))
    budget = await budgets.get()
    assert (budget.spent, budget.reserved) == (Decimal("0.000000125"), 0)
    assert (await budgets.users())["ann"].spent == Decimal("0.000000125")
    assert (await budgets.get(Scope("acme", False))).spent == (await budgets.get(Scope("other", True))).spent == 0


async def test_what_was_found_before_is_not_asked_for_again(database: Database, budgets: Budgets) -> None:
    ledger = Ledger(database)
    free = await ledger.reserve(request(1), dollars("0.5"), LEASE)
    with statements() as asked:
        await ledger.settle(request(1), used(None), free)
    assert asked == ["INSERT model_calls"]
    await budgets.limit("10")
    held = await ledger.reserve(request(2), dollars("0.5"), LEASE)
    assert (free.held, held.held, (await budgets.get()).reserved) == (False, True, Decimal("0.5"))
    await ledger.settle(request(2), used("0.25"), held)
    budget = await budgets.get()
    assert (budget.spent, budget.reserved) == (Decimal("0.25"), 0)
    assert (await budgets.users())["ann"].spent == Decimal("0.25") and await count(database, ModelCallRow) == 2


async def test_who_pays_and_what_may_be_spent_is_asked_at_once(database: Database, budgets: Budgets) -> None:
    ledger, executions = Ledger(database), await Executions.of(database)
    row = await executions.add("e1", user_id="ben")
    of_execution = replace(request(1, user_id=None), temporal_id=row.temporal_id)
    for limit_of, held in ((None, False), ("ann", False), ("ben", True), ("", True)):
        if limit_of is not None:
            await (budgets.limit_user(limit_of, "1") if limit_of else budgets.limit("1"))
        with statements() as asked:
            let_through = await ledger.reserve(of_execution, dollars("0.5"), LEASE)
        assert let_through == Reserved(Payer(SCOPE, "e1", "ben", executions.graph.uuid), held)
        assert asked[0] == "SELECT executions" and (held or len(asked) == 1)
    await ledger.settle(of_execution, used("1"), let_through)
    with pytest.raises(RateLimited, match="tenant"):
        await ledger.reserve(of_execution, dollars("0.5"), LEASE)


async def test_what_is_told_twice_is_written_once(database: Database, budgets: Budgets) -> None:
    ledger = Ledger(database)
    await asyncio.gather(*(ledger.settle(request(), used("0.25")) for _ in range(8)))
    assert await count(database, ModelCallRow) == 1 and (await budgets.get()).spent == Decimal("0.25")
    await ledger.settle(request(attempt=2), used("0.25"))
    assert await count(database, ModelCallRow) == 2 and (await budgets.get()).spent == Decimal("0.5")


async def test_without_a_limit_nothing_is_reserved(database: Database, budgets: Budgets) -> None:
    def never() -> Decimal:
        raise AssertionError("nobody needs an estimate")

    await Ledger(database).reserve(request(), never, LEASE)
    await budgets.limit_user("ben", "1")
    await Ledger(database).reserve(request(), never, LEASE)
    await budgets.limit("0")
    await Ledger(database).reserve(request(), dollars("0"), LEASE)  # free, or of unknown price
    assert await count(database, BudgetReserveRow) == 0


async def patiently(asked: Callable[[], Awaitable[Any]]) -> None:
    """Ask a database that is busy again, as Temporal does for a worker: fifty writers of SQLite may wait for long."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(Unavailable):
                await asked()
                return


async def test_of_fifty_at_once_in_two_processes_none_overspends(
    database: Database, other: Database, budgets: Budgets
) -> None:
    await budgets.limit("1")
    ledgers = [Ledger(database), Ledger(other)]
    spent = Decimal(0)
    most = Decimal(0)

    async def ask(number: int) -> bool:
        nonlocal spent, most
        one, ledger = request(number, user_id=f"user{number % 3}"), ledgers[number % 2]
        try:
            await patiently(lambda: ledger.reserve(one, dollars("0.3"), LEASE))
        except RateLimited as error:
            assert error.code == "budget_exceeded"
            return False
        spent += Decimal("0.3")
        most = max(most, spent)
        await asyncio.sleep(0.02)
        await patiently(lambda: ledger.settle(one, used("0.3")))
        return True

    done = await asyncio.gather(*(ask(number) for number in range(50)))
    # 0, 0.3, 0.6 and 0.9 are under the limit of 1; 1.2 is not.
    assert sum(done) == 4 and most == Decimal("1.2")
    budget = await budgets.get()
    assert (budget.spent, budget.reserved, budget.remaining) == (Decimal("1.2"), 0, 0)
    assert await count(database, ModelCallRow) == 4


async def test_of_fifty_at_once_one_users_limit_holds_and_the_others_go_on(
    database: Database, other: Database, budgets: Budgets
) -> None:
    await budgets.limit_user("ann", "0.5")
    ledgers = [Ledger(database), Ledger(other)]

    async def ask(number: int) -> bool:
        one, ledger = request(number, user_id="ann" if number % 2 else "ben"), ledgers[number // 2 % 2]
        try:
            await patiently(lambda: ledger.reserve(one, dollars("0.2"), LEASE))
        except RateLimited as error:
            assert error.extra["scope"] == "user"
            return False
        await patiently(lambda: ledger.settle(one, used("0.1")))
        return True

    done = await asyncio.gather(*(ask(number) for number in range(50)))
    assert all(done[::2])
    spent = {user: each.spent for user, each in (await budgets.users()).items()}
    assert spent["ben"] == Decimal("2.5") and Decimal("0.1") <= spent["ann"] <= Decimal("0.5")
    assert spent["ann"] == sum(done[1::2]) * Decimal("0.1")
    assert (await budgets.get()).spent == sum(done) * Decimal("0.1")


async def test_a_reserve_ends_with_its_request_its_next_try_or_its_time(database: Database, budgets: Budgets) -> None:
    ledger = Ledger(database)
    await budgets.limit("1")
    await ledger.reserve(request(1), dollars("2"), LEASE)
    with pytest.raises(RateLimited):
        await ledger.reserve(request(2), dollars("2"), LEASE)
    await ledger.reserve(request(1, attempt=2), dollars("2"), LEASE)  # its worker died: the next try takes its place
    await ledger.release(request(1))
    assert (await budgets.get()).reserved == 2, "what the first try still says is past"
    await ledger.release(request(1, attempt=2))
    assert (await budgets.get()).reserved == 0
    await ledger.reserve(request(3, at=utc_now() - LEASE), dollars("2"), LEASE)  # nobody tries it again
    assert (await budgets.get()).reserved == 0
    await ledger.reserve(request(4), dollars("2"), LEASE)
    assert (await budgets.get()).reserved == 2 and await count(database, BudgetReserveRow) == 1


async def test_a_month_begins_with_nothing_spent(database: Database, budgets: Budgets) -> None:
    ledger, last_month = Ledger(database), utc_now().replace(day=1) - timedelta(days=2)
    await budgets.limit("1")
    await ledger.settle(request(1, at=last_month), used("5"))
    assert (await budgets.get()).spent == 0
    await ledger.settle(request(2), used("0.25"))
    await ledger.settle(request(3, at=last_month), used("5"))  # begun before the turn of the month
    assert (await budgets.get()).spent == (await budgets.users())["ann"].spent == Decimal("0.25")
    await ledger.reserve(request(4), dollars("0.1"), LEASE)


async def test_the_installations_limit_holds_for_who_has_none(database: Database) -> None:
    budgets, ledger = Budgets(database, monthly_budget=0.5), Ledger(database, 0.5)
    assert ((await budgets.get()).effective_limit, (await budgets.get()).source) == (Decimal("0.5"), "default")
    await ledger.settle(request(), used("0.5"))
    with pytest.raises(RateLimited, match=r"0\.5 US dollars"):
        await ledger.reserve(request(2), dollars("0.1"), LEASE)
    await budgets.limit("0.6")
    await ledger.reserve(request(2), dollars("0.1"), LEASE)
    await budgets.limit(None)
    with pytest.raises(RateLimited):
        await ledger.reserve(request(3), dollars("0.1"), LEASE)


async def test_who_has_spent_everything_may_start_nothing(database: Database, budgets: Budgets) -> None:
    async def require(user_id: str) -> None:
        async with database.session() as session:
            await require_budget(session, SCOPE, user_id, budgets.settings)

    await Ledger(database).settle(request(), used("1"))
    await require("ann")
    await budgets.limit_user("ann", "1")
    with pytest.raises(RateLimited, match="of user 'ann', 1 US dollars, is used up until") as refused:
        await require("ann")
    assert refused.value.extra["resets_at"] == f"{next_month(utc_now()):%Y-%m-%dT00:00:00Z}"
    await require("ben")
    await budgets.limit("0.99")
    with pytest.raises(RateLimited, match="of the tenant") as refused:
        await require("ben")
    assert refused.value.extra == {**refused.value.extra, "scope": "tenant", "limit": 0.99}


async def test_a_summary_adds_up(database: Database) -> None:
    ledger, now = Ledger(database), utc_now()
    for number, (days, user, cost) in enumerate([(0, "ann", "1"), (0, "ben", "0.5"), (6, "ann", None), (7, None, "3")]):
        await ledger.settle(request(number, user, at=now - timedelta(days=days)), used(cost))
    async with database.session() as session:
        week = await summarize(session, SCOPE, "7d")
        everything = await summarize(session, SCOPE, "all")
        month = await summarize(session, SCOPE, "30d")
        nothing = await summarize(session, Scope("acme", False), "all")
    assert (week.totals.requests, week.totals.cost, week.totals.unpriced_requests) == (3, Decimal("1.5"), 1)
    assert (week.totals.input_tokens, week.totals.output_tokens) == (300, 60)
    assert [day.requests for day in week.by_day.values()] == [1, 0, 0, 0, 0, 0, 2]
    assert list(week.by_user) == ["ann", "ben"] and week.by_user["ann"].requests == 2
    assert list(week.by_model) == ["openai:gpt-4o"] and list(week.by_agent) == [None]
    assert week.begin == datetime.combine(now.date() - timedelta(days=6), datetime.min.time(), UTC)
    assert (len(month.by_day), month.totals.cost) == (30, Decimal("4.5"))
    assert (len(everything.by_day), list(everything.by_user)) == (3, [None, "ann", "ben"])
    assert (nothing.begin, nothing.totals.requests, dict(nothing.by_day)) == (None, 0, {})


@pytest.mark.parametrize(
    ("at", "month", "then"),
    [
        ("2026-11-22T15:00:00+00:00", "2026-11", "2026-12-01T00:00:00+00:00"),
        ("2026-12-31T23:59:59+00:00", "2026-12", "2027-01-01T00:00:00+00:00"),
        ("2027-01-01T00:30:00+01:00", "2026-12", "2027-01-01T00:00:00+00:00"),
    ],
)
def test_months_are_those_of_utc(at: str, month: str, then: str) -> None:
    moment = datetime.fromisoformat(at)
    assert (month_of(moment), next_month(moment).isoformat()) == (month, then)


async def test_the_rows_of_a_budget_are_made_once(database: Database, other: Database) -> None:
    one, two = Budgets(database), Budgets(other)
    await asyncio.gather(*(each.limit_user("ann", "1") for each in (one, two) * 10))
    assert await count(database, BudgetRow) == 1
