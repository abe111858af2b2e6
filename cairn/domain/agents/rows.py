"""Finding an agent's row."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.errors import NotFound
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import AgentRow, SubagentRow


async def find_agent(session: AsyncSession, scope: Scope, agent: str, *, lock: bool = False) -> AgentRow:
    """Return an agent's row by its id.

    Raises:
        NotFound: the scope has no such agent.
    """
    row = await _named(session, scope, agent, lock)
    if row is None:
        raise NotFound("No such agent.", code="agent_not_found")
    return row


async def find_subagent(
    session: AsyncSession, scope: Scope, agent: str, subagent: str, *, lock: bool = False
) -> tuple[AgentRow, AgentRow]:
    """Return the rows of an agent and of one of its sub-agents; ``lock`` is for the latter.

    Raises:
        NotFound: the scope has no such agent, or that has no such sub-agent.
    """
    parent = await find_agent(session, scope, agent)
    row = await _named(session, scope, subagent, lock)
    if row is None or row.id not in await children_of(session, scope, parent):
        raise NotFound("No such sub-agent.", code="subagent_not_found")
    return parent, row


async def children_of(session: AsyncSession, scope: Scope, row: AgentRow) -> list[int]:
    """Return the numbers of an agent's sub-agents in their order."""
    query = select(col(SubagentRow.subagent_id)).where(
        *Repository(session, SubagentRow).owned(scope), col(SubagentRow.agent_id) == row.id
    )
    return list((await session.execute(query.order_by(col(SubagentRow.position)))).scalars())


async def _named(session: AsyncSession, scope: Scope, agent: str, lock: bool) -> AgentRow | None:
    named = agent if agent.isascii() and agent.isprintable() else ""
    return await Repository(session, AgentRow).get(scope, col(AgentRow.uuid) == named, lock=lock)
