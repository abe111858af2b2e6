"""What the ledger and budgets are told, and tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from cairn.contracts.json import JsonObject
from cairn.domain.principal import Principal
from cairn.errors import RateLimited
from cairn.persistence.repository import Scope
from cairn.persistence.types import utc_now

WHOLE = ""
"""In place of a user: the tenant as a whole."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a model, before it is made.

    Attributes:
        work: the activity that makes it, one at a time.
        key: names the request over all retries of what is written of it.
        temporal_id: Temporal workflow id of the execution.
        execution_id: as callers name it.
        scope: whose it is.
        node_id: the node; ``visit`` is which visit of it.
        model: as graphs name it.
        user_id: for whom, when it belongs to no execution.
        at: when it is made.
    """

    work: str
    key: str
    temporal_id: str
    execution_id: str
    scope: Scope
    node_id: str
    visit: int
    model: str
    user_id: str | None = None
    at: datetime = field(default_factory=utc_now)

    @property
    def month(self) -> str:
        """The month that it is paid in."""
        return month_of(self.at)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request to a model used; ``cost`` is None when no price is known."""

    input_tokens: int
    output_tokens: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Budget:
    """What a tenant may spend on models in a month, in US dollars.

    Attributes:
        monthly_limit: the tenant's own; None: the installation's holds.
        effective_limit: which holds; None for none.
        spent: in the present month.
        reserved: what requests that are under way may cost.
        resets_at: when the next month begins.
    """

    monthly_limit: Decimal | None
    effective_limit: Decimal | None
    spent: Decimal
    reserved: Decimal
    resets_at: datetime

    @property
    def source(self) -> Literal["default", "override"]:
        """Where the limit comes from."""
        return "default" if self.monthly_limit is None else "override"

    @property
    def remaining(self) -> Decimal | None:
        """What is left; None without a limit."""
        return left(self.effective_limit, self.spent + self.reserved)


@dataclass(frozen=True, slots=True)
class UserBudget:
    """What a user may spend in a month, and has spent in the present one, in US dollars."""

    user_id: str
    monthly_limit: Decimal | None
    spent: Decimal

    @property
    def remaining(self) -> Decimal | None:
        """What is left; None without a limit."""
        return left(self.monthly_limit, self.spent)


def left(limit: Decimal | None, spent: Decimal) -> Decimal | None:
    """Return what is left of a limit, never less than nothing; None without one."""
    return None if limit is None else max(limit - spent, Decimal(0))


def month_of(at: datetime) -> str:
    """Return the month in UTC, such as ``2026-11``."""
    return f"{at.astimezone(UTC):%Y-%m}"


def next_month(at: datetime) -> datetime:
    """Return the beginning of the month after, in UTC."""
    at = at.astimezone(UTC)
    return datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)


def user_of(principal: Principal, metadata: JsonObject) -> str:
    """Return for whom an execution works: a service may name one of its users in ``metadata.user_id``."""
    named = metadata.get("user_id")
    if principal.kind == "service" and isinstance(named, str) and 0 < len(named) <= 255 and named.isprintable():
        return named
    return principal.author


def over_budget(user_id: str, limit: Decimal, now: datetime) -> RateLimited:
    """Return the error for one who has spent what a month allows."""
    resets_at = f"{next_month(now):%Y-%m-%dT%H:%M:%SZ}"
    whose = f"of user {user_id!r}" if user_id != WHOLE else "of the tenant"
    return RateLimited(
        f"The monthly budget {whose}, {limit.normalize():f} US dollars, is used up until {resets_at}.",
        code="budget_exceeded",
        retry_after=(next_month(now) - now).total_seconds(),
        extra={"resets_at": resets_at, "limit": float(limit), "scope": "tenant" if user_id == WHOLE else "user"},
    )
