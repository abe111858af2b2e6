"""Deleting agents."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, or_, select, update
from sqlmodel import col

from cairn.domain.agents.rows import find_agent, find_subagent
from cairn.domain.agents.service import AgentService
from cairn.domain.executions.service import ExecutionService
from cairn.errors import Conflict
from cairn.persistence.repository import Repository
from cairn.persistence.tables import AgentRow, ExecutionRow, SubagentRow
from cairn.persistence.types import utc_now

_OPEN = ("pending", "running", "paused")


class AgentRemoval:
    """Deletes agents within a session. Their graphs are archived, so that their executions can still be read."""

    def __init__(self, agents: AgentService, executions: ExecutionService) -> None:
        """Take the services, which share a session."""
        self._agents = agents
        self._executions = executions
        self._session = agents.session
        self._scope = agents.scope

    async def remove(self, agent: str, *, force: bool = False) -> None:
        """Delete an agent, and those that were made under it and that no other agent has as sub-agents.

        Args:
            agent: the agent.
            force: cancel their executions first; for that the transaction is committed.

        Raises:
            NotFound: the scope has no such agent.
            Conflict: they have executions that have not ended, or that have not begun in Temporal yet.
            Unavailable: Temporal or the worker does not answer. The agents are archived then; sent again, it goes on.
        """
        await self._agents.hierarchy.lock()
        await self._delete(await find_agent(self._session, self._scope, agent), force)

    async def remove_subagent(self, agent: str, subagent: str, *, force: bool = False) -> None:
        """Take a sub-agent from an agent, and delete it if it was made under that one and no other one has it.

        Raises:
            NotFound: the agent has no such sub-agent.
            Conflict, Unavailable: as of :meth:`remove`.
        """
        await self._agents.hierarchy.lock()
        parent, row = await find_subagent(self._session, self._scope, agent, subagent)
        having = select(col(SubagentRow.agent_id)).where(col(SubagentRow.subagent_id) == row.id)
        if row.parent_id == parent.id and (await self._session.execute(having)).scalars().all() == [parent.id]:
            return await self._delete(row, force)
        left = [each for each in await self._agents.subagents_of(parent) if each.id != row.id]
        await self._agents.hierarchy.assign(parent, left)
        await self._agents.republish([parent])
        parent.revision, parent.updated_at = parent.revision + 1, utc_now()

    async def _delete(self, row: AgentRow, force: bool) -> None:
        doomed = await self._below(row)
        running = await self._running(doomed)
        if running and not force:
            message = f"The agent has {len(running)} executions that have not ended; force=true cancels them."
            raise Conflict(message, code="agent_busy", extra={"running": len(running)})
        for each in doomed:
            await self._agents.graphs.set_status(each.uuid, "archived")
            each.status = "archived"
        if running:
            # Nothing new begins from here on. Nothing is locked while executions are told.
            await self._session.commit()
            for execution in running:
                await self._cancel(execution)
            await self._agents.hierarchy.lock()
        await self._erase([each.id for each in doomed])

    async def _below(self, row: AgentRow) -> list[AgentRow]:
        """Return the agent and those that go with it."""
        doomed, found = [row], [row]
        while found:
            ids = [each.id for each in doomed]
            elsewhere = select(col(SubagentRow.subagent_id)).where(col(SubagentRow.agent_id).not_in(ids))
            own = col(AgentRow.parent_id).in_(ids), col(AgentRow.id).not_in(ids), col(AgentRow.id).not_in(elsewhere)
            found = await self._agents.rows.all(self._scope, *own, order=(col(AgentRow.id),))
            doomed += found
        return doomed

    async def _running(self, doomed: Sequence[AgentRow]) -> Sequence[str]:
        query = select(col(ExecutionRow.id)).where(
            *Repository(self._session, ExecutionRow).owned(self._scope),
            col(ExecutionRow.graph_id).in_([each.graph_id for each in doomed]),
            col(ExecutionRow.status).in_(_OPEN),
        )
        return (await self._session.execute(query.order_by(col(ExecutionRow.key)))).scalars().all()

    async def _cancel(self, execution: str) -> None:
        try:
            await self._executions.cancel(execution)
        except Conflict as error:
            if error.code != "execution_closed":  # it may have ended meanwhile
                raise

    async def _erase(self, ids: Sequence[int | None]) -> None:
        link, now = SubagentRow, utc_now()
        above = await self._agents.hierarchy.above(ids)
        having = select(col(link.agent_id)).where(col(link.subagent_id).in_(ids))
        await self._session.execute(
            update(AgentRow)
            .where(col(AgentRow.id).in_(having))
            .values(revision=AgentRow.revision + 1, updated_at=now)
            .execution_options(synchronize_session=False)
        )
        for statement in (
            update(AgentRow)
            .where(col(AgentRow.parent_id).in_(ids), col(AgentRow.id).not_in(ids))
            .values(parent_id=None),
            delete(link).where(or_(col(link.agent_id).in_(ids), col(link.subagent_id).in_(ids))),
            delete(AgentRow).where(col(AgentRow.id).in_(ids)),
        ):
            await self._session.execute(statement.execution_options(synchronize_session=False))
        await self._agents.republish(above)
