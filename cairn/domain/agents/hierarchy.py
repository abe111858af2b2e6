"""Which agents are sub-agents of which: no cycles, and not too deep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.agents.config import invalid
from cairn.errors import Conflict
from cairn.graph.subagents import MAX_LEVELS
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import AgentRow, SubagentRow


class Hierarchy:
    """The sub-agents of a scope's agents, within a session.

    Whoever changes them takes the lock first: two changes that are each harmless may make a cycle together.
    """

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        """Take the session and whose agents."""
        self._session = session
        self._scope = scope
        self._agents = Repository(session, AgentRow)
        self._links = Repository(session, SubagentRow)

    async def lock(self) -> None:
        """Keep others from changing who is whose sub-agent; to be called before any other lock is taken."""
        query = select(col(AgentRow.id)).where(*self._agents.owned(self._scope)).order_by(col(AgentRow.id))
        await self._session.execute(query.with_for_update())

    async def named(self, ids: Sequence[str]) -> list[AgentRow]:
        """Return the rows of agents that are to be sub-agents, in the order of their ids.

        Raises:
            InvalidInput: the scope has not all of them.
        """
        rows = await self._agents.all(self._scope, col(AgentRow.uuid).in_(ids)) if ids else ()
        found = {row.uuid: row for row in rows}
        unknown = [(index, agent) for index, agent in enumerate(ids) if agent not in found]
        if unknown:
            raise invalid([(("subagents", index), f"There is no agent {agent!r}") for index, agent in unknown])
        return [found[agent] for agent in ids]

    async def above(self, subagents: Sequence[int | None]) -> Sequence[AgentRow]:
        """Return the rows of the agents that have any of these as sub-agents, and are none of them."""
        link = SubagentRow
        having = select(col(link.agent_id)).where(
            *self._links.owned(self._scope), col(link.subagent_id).in_(subagents), col(link.agent_id).not_in(subagents)
        )
        return await self._agents.all(self._scope, col(AgentRow.id).in_(having), order=(col(AgentRow.id),))

    async def assign(self, agent: AgentRow, subagents: Sequence[AgentRow]) -> None:
        """Make these the sub-agents of an agent, and no others.

        One that was made under it and is none of them any more stands by itself from then on.

        Raises:
            Conflict: an agent would be below itself, or too far below another.
        """
        links = await self._all()
        before, after = links.get(_id(agent), []), [_id(row) for row in subagents]
        links[_id(agent)] = after
        if set(after) - set(before):
            check(links, _id(agent))
        mine = *self._links.owned(self._scope), col(SubagentRow.agent_id) == agent.id
        await self._session.execute(delete(SubagentRow).where(*mine))
        for position, row in enumerate(subagents):
            await self._links.add(
                SubagentRow(
                    tenant=agent.tenant, live=agent.live, agent_id=_id(agent), subagent_id=_id(row), position=position
                )
            )
        dropped = set(before) - set(after)
        for row in await self._agents.all(
            self._scope, col(AgentRow.id).in_(dropped), col(AgentRow.parent_id) == agent.id
        ):
            row.parent_id = None

    async def _all(self) -> dict[int, list[int]]:
        link = SubagentRow
        query = select(col(link.agent_id), col(link.subagent_id)).where(*self._links.owned(self._scope))
        found: dict[int, list[int]] = {}
        for agent, subagent in await self._session.execute(query.order_by(col(link.position))):
            found.setdefault(agent, []).append(subagent)
        return found


def check(links: Mapping[int, Sequence[int]], changed: int) -> None:
    """Refuse sub-agents of one agent that make a cycle or a chain that is too long; all others are right.

    Args:
        links: sub-agents by agent.
        changed: the agent whose sub-agents are new.

    Raises:
        Conflict: they do.
    """
    above: dict[int, list[int]] = {}
    for agent, subagents in links.items():
        for subagent in subagents:
            above.setdefault(subagent, []).append(agent)
    if _reaches(links, changed):
        raise Conflict("An agent cannot be its own sub-agent, at whatever depth.", code="subagent_cycle")
    depth = _longest(links, changed) + _longest(above, changed)
    if depth > MAX_LEVELS:
        message = f"Sub-agents would be {depth} levels deep; at most {MAX_LEVELS} are allowed."
        raise Conflict(message, code="subagents_too_deep")


def _reaches(links: Mapping[int, Sequence[int]], agent: int) -> bool:
    seen, left = set[int](), list(links.get(agent, ()))
    while left:
        each = left.pop()
        if each not in seen:
            seen.add(each)
            left += links.get(each, ())
    return agent in seen


def _longest(links: Mapping[int, Sequence[int]], agent: int) -> int:
    """Return the length of the longest chain from an agent; there are no cycles."""

    @cache
    def longest(each: int) -> int:
        return max((1 + longest(following) for following in links.get(each, ())), default=0)

    return longest(agent)


def _id(row: AgentRow) -> int:
    assert row.id is not None
    return row.id
