"""What models have used over a time, by day, model, agent and user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import GraphRow, ModelCallRow
from cairn.persistence.types import utc_now

Range: TypeAlias = Literal["7d", "30d", "90d", "all"]
_DAYS: Mapping[str, int] = {"7d": 7, "30d": 30, "90d": 90}


@dataclass(frozen=True, slots=True)
class Figures:
    """What was used.

    Attributes:
        cost: US dollars, without requests of unknown price; ``unpriced_requests`` says how many those are.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced_requests: int = 0

    def plus(self, other: Figures) -> Figures:
        """Return the sum."""
        return Figures(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
            self.unpriced_requests + other.unpriced_requests,
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """The use of models over a time; ``begin`` is None when nothing was ever used.

    Attributes:
        by_day: oldest first; every day of the time, or, of all time, those with requests.
        by_model: by name of the model; like the ones below, most expensive first.
        by_agent: by uuid of the graph, None for what belongs to none.
        by_user: by user, None for nobody known.
        names: of the agents that there are still, by uuid.
    """

    range: Range
    begin: datetime | None
    end: datetime
    totals: Figures
    by_day: Mapping[date, Figures]
    by_model: Mapping[str, Figures]
    by_agent: Mapping[str | None, Figures]
    by_user: Mapping[str | None, Figures]
    names: Mapping[str, str]


async def summarize(session: AsyncSession, scope: Scope, which: Range) -> Summary:
    """Return the use of models by a tenant: of so many days, today with them, or of all time. Days are those of UTC."""
    end, calls = utc_now(), Repository(session, ModelCallRow)
    filters = calls.owned(scope)
    first = end.date() - timedelta(days=_DAYS[which] - 1) if which in _DAYS else None
    if first is not None:
        filters.append(col(ModelCallRow.day) >= first)
    by_day = await _by(session, ModelCallRow.day, filters)
    if first is not None:
        days = (first + timedelta(days=n) for n in range(_DAYS[which]))
        by_day = {day: by_day.pop(day, Figures()) for day in days} | by_day
    by_agent = await _by(session, ModelCallRow.agent_id, filters)
    totals = Figures()
    for figures in by_day.values():
        totals = totals.plus(figures)
    return Summary(
        range=which,
        begin=datetime.combine(min(by_day), time(), UTC) if by_day else None,
        end=end,
        totals=totals,
        by_day=dict(sorted(by_day.items())),
        by_model=_dearest_first(await _by(session, ModelCallRow.model, filters)),
        by_agent=_dearest_first(by_agent),
        by_user=_dearest_first(await _by(session, ModelCallRow.user_id, filters)),
        names=await _names(session, scope, [agent for agent in by_agent if agent is not None]),
    )


async def _by(session: AsyncSession, column: Any, filters: Sequence[ColumnElement[bool]]) -> dict[Any, Figures]:
    call, key = ModelCallRow, col(column)
    query = select(
        key,
        func.count(),
        func.sum(col(call.input_tokens)),
        func.sum(col(call.output_tokens)),
        func.sum(col(call.cost)),
        func.count() - func.count(col(call.cost)),
    )
    rows = (await session.execute(query.where(*filters).group_by(key))).all()
    return {
        name: Figures(requests, int(read), int(written), cost or Decimal(0), unpriced)
        for name, requests, read, written, cost, unpriced in rows
    }


def _dearest_first(found: Mapping[Any, Figures]) -> dict[Any, Figures]:
    ordered = sorted(found.items(), key=lambda each: (-each[1].cost, -each[1].requests, each[0] or ""))
    return dict(ordered)


async def _names(session: AsyncSession, scope: Scope, agents: Sequence[str]) -> dict[str, str]:
    query = select(col(GraphRow.uuid), col(GraphRow.name)).where(*Repository(session, GraphRow).owned(scope))
    found = (await session.execute(query.where(col(GraphRow.uuid).in_(agents)))).all()
    return {row.uuid: row.name for row in found}
