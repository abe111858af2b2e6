"""How approvals go: those of one tool, and all of a tenant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.principal import Principal
from cairn.domain.requests.model import Dashboard, ToolStatistics
from cairn.domain.requests.service import waiting
from cairn.errors import NotFound
from cairn.persistence.repository import Repository
from cairn.persistence.tables import RequestRow
from cairn.persistence.types import utc_now

_DECIDED = ("approved", "denied")
_ENDS = (*_DECIDED, "expired", "cancelled")
_DAY = timedelta(hours=24)


class ApprovalStatistics:
    """Figures over the approvals of one principal's tenant, within one session."""

    def __init__(self, session: AsyncSession, principal: Principal) -> None:
        """Take the request's session and principal."""
        self.session = session
        self.approvals = [
            *Repository(session, RequestRow).owned(principal.scope),
            col(RequestRow.kind) == "approval",
        ]

    async def of_tool(self, tool_id: str, known: frozenset[str]) -> ToolStatistics:
        """Return how the approvals of a tool ended.

        Args:
            tool_id: the tool.
            known: names of tools that there are.

        Raises:
            NotFound: there is no such tool, and never was an approval of it.
        """
        of_it = [*self.approvals, col(RequestRow.tool_id) == tool_id]
        found = await self._counted(RequestRow.status, of_it)
        if not found and tool_id not in known:
            raise NotFound(f"No tool {tool_id!r}", code="tool_not_found")
        modified = [*of_it, col(RequestRow.modified_arguments).is_not(None), col(RequestRow.status) == "approved"]
        return ToolStatistics(
            tool_id=tool_id,
            total=sum(found.values()),
            pending=found.get("pending", 0),
            modified=await self._count(modified),
            median_seconds=await self._median(of_it, found.get("approved", 0) + found.get("denied", 0)),
            **{end: found.get(end, 0) for end in _ENDS},
        )

    async def dashboard(self) -> Dashboard:
        """Return how approvals stand at this moment."""
        now = utc_now()
        pending = [*self.approvals, *waiting("approval")]
        first = select(func.min(RequestRow.requested_at)).where(*pending)
        oldest = (await self.session.execute(first)).scalar()
        lately = await self._counted(RequestRow.status, [*self.approvals, col(RequestRow.resolved_at) > now - _DAY])
        requested = await self._count([*self.approvals, col(RequestRow.requested_at) > now - _DAY])
        return Dashboard(
            pending=await self._count(pending),
            oldest_pending_seconds=None if oldest is None else max(0.0, (now - oldest).total_seconds()),
            by_tool=_most_first(await self._counted(RequestRow.tool_id, pending)),
            by_agent=_most_first(await self._counted(RequestRow.agent_id, pending)),
            last_24h={"requested": requested, **{end: lately.get(end, 0) for end in _ENDS}},
        )

    async def _count(self, conditions: list[ColumnElement[bool]]) -> int:
        return (
            await self.session.execute(select(func.count()).select_from(RequestRow).where(*conditions))
        ).scalar_one()

    async def _counted(self, column: Any, conditions: list[ColumnElement[bool]]) -> dict[Any, int]:
        query = select(col(column), func.count()).where(*conditions).group_by(col(column))
        return {row[0]: row[1] for row in await self.session.execute(query)}

    async def _median(self, of_it: list[ColumnElement[bool]], number: int) -> float | None:
        """Return the middle of what people took; of an even number the mean of both middles."""
        if number == 0:
            return None
        waited = col(RequestRow.waited)
        query = select(waited).where(*of_it, col(RequestRow.status).in_(_DECIDED)).order_by(waited)
        middle = (await self.session.execute(query.offset((number - 1) // 2).limit(2 - number % 2))).scalars().all()
        times = [time for time in middle if time is not None]
        return sum(times) / len(times) if times else None


def _most_first(counted: dict[Any, int]) -> list[tuple[str | None, int]]:
    return sorted(counted.items(), key=lambda each: (-each[1], each[0] or ""))
