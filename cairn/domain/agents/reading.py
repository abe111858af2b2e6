"""Reading agents."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.agents.config import COLUMNS, AgentConfig, Status
from cairn.domain.agents.model import (
    Agent,
    AgentFilter,
    AgentName,
    AgentStatistics,
    AgentSummary,
    AgentTool,
    AgentWorkflow,
)
from cairn.domain.agents.rows import children_of, find_agent, find_subagent
from cairn.domain.tools.authored import AuthoredTool, ToolService
from cairn.persistence.paging import Page
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import AgentRow, ExecutionRow, GraphVersionRow, SubagentRow
from cairn.persistence.types import utc_now

_DAY = timedelta(hours=24)


class AgentReader:
    """Reads agents within a session.

    Everything that names an agent raises ``NotFound`` for one that the scope does not have.
    """

    def __init__(self, session: AsyncSession, scope: Scope, tools: ToolService, default_model: str) -> None:
        """Take the session, whose agents, the tools there are, and the model of agents that name none."""
        self.session = session
        self.scope = scope
        self.rows = Repository(session, AgentRow)
        self.tools = tools
        self._default_model = default_model

    async def get(self, agent: str) -> Agent:
        """Return an agent."""
        return await self.shown(await find_agent(self.session, self.scope, agent))

    async def get_subagent(self, agent: str, subagent: str) -> Agent:
        """Return a sub-agent of an agent.

        Raises:
            NotFound: the agent has no such sub-agent.
        """
        return await self.shown((await find_subagent(self.session, self.scope, agent, subagent))[1])

    async def list(
        self, which: AgentFilter, page: int = 1, page_size: int = 20, anchor: int | None = None
    ) -> Page[AgentSummary]:
        """Return a page of agents, newest first; the latter arguments as of :meth:`Repository.page`."""
        return await self._page(self._conditions(which), page, page_size, anchor)

    async def list_subagents(
        self, agent: str, page: int = 1, page_size: int = 20, anchor: int | None = None
    ) -> Page[AgentSummary]:
        """Return a page of an agent's sub-agents, newest first."""
        row = await find_agent(self.session, self.scope, agent)
        below = select(col(SubagentRow.subagent_id)).where(col(SubagentRow.agent_id) == row.id)
        return await self._page([col(AgentRow.id).in_(below)], page, page_size, anchor)

    async def tools_of(self, agent: str, subagent: str) -> builtins.list[AgentTool]:
        """Return the tools of an agent's sub-agent.

        Raises:
            NotFound: the agent has no such sub-agent.
        """
        config = (await self.get_subagent(agent, subagent)).config
        return await self.shown_tools(config.tools, config)

    async def available_tools(self, agent: str, subagent: str) -> builtins.list[AgentTool]:
        """Return the tools of an agent that a sub-agent of it has not; raises as :meth:`tools_of`."""
        parent, child = await find_subagent(self.session, self.scope, agent, subagent)
        config, assigned = await self.config_of(parent), (await self.config_of(child)).tools
        return await self.shown_tools([each for each in config.tools if each not in assigned], config)

    async def statistics(self) -> AgentStatistics:
        """Return figures over all agents."""
        alone = [*self.rows.owned(self.scope), col(AgentRow.parent_id).is_(None)]
        statuses = await self._counted(AgentRow.status, alone)
        models: Counter[str] = Counter()
        for model, number in (await self._counted(AgentRow.model, alone)).items():
            models[model or self._default_model] += number
        everyone = self.rows.owned(self.scope)
        graphs = select(col(AgentRow.graph_id)).where(*everyone)
        runs = await self._counted(
            ExecutionRow.status,
            [
                *Repository(self.session, ExecutionRow).owned(self.scope),
                col(ExecutionRow.graph_id).in_(graphs),
                col(ExecutionRow.created_at) > utc_now() - _DAY,
            ],
        )
        completed = runs.get("completed", 0)
        ended = completed + runs.get("failed", 0)
        total = sum(statuses.values())
        return AgentStatistics(
            total=total,
            active=statuses.get("active", 0),
            subagents=await self.rows.count(self.scope) - total,
            by_category=await self._counted(AgentRow.category, alone),
            by_model=dict(models),
            executions_24h=sum(runs.values()),
            success_rate_24h=completed / ended if ended else None,
        )

    async def shown(self, row: AgentRow) -> Agent:
        """Return an agent as its rows are now."""
        await self.session.flush()
        (summary,) = await self._summaries([row])
        subagents = await self.subagents_of(row)
        published = select(col(GraphVersionRow.version)).where(
            *Repository(self.session, GraphVersionRow).owned(self.scope),
            col(GraphVersionRow.graph_id) == row.graph_id,
            col(GraphVersionRow.status) == "published",
        )
        version = (await self.session.execute(published)).scalar_one()
        return Agent(
            summary=summary,
            config=_config(row, subagents),
            revision=row.revision,
            subagents=[AgentName(each.uuid, each.name, each.description) for each in subagents],
            workflow=AgentWorkflow(row.graph_id, row.uuid, version),
        )

    async def config_of(self, row: AgentRow) -> AgentConfig:
        """Return an agent's configuration."""
        return _config(row, await self.subagents_of(row))

    async def subagents_of(self, row: AgentRow) -> builtins.list[AgentRow]:
        """Return the rows of an agent's sub-agents in their order."""
        ids = await children_of(self.session, self.scope, row)
        found = {each.id: each for each in await self.rows.all(self.scope, col(AgentRow.id).in_(ids))}
        return [found[each] for each in ids]

    async def shown_tools(self, names: builtins.list[str], config: AgentConfig) -> builtins.list[AgentTool]:
        """Return tools that a configuration names."""
        registry = self.tools.registry
        known = await self.tools.named([name for name in names if name not in registry])
        known |= {name: AuthoredTool.native(registry.get(name)) for name in names if name in registry}
        guarded = [name for name, tool in known.items() if tool.spec is not None and tool.spec.require_approval]
        asked = config.need_approval(guarded)
        return [AgentTool(name, known.get(name), config.approval_of(name, name in asked)) for name in names]

    async def having(self, tool: str) -> builtins.list[AgentRow]:
        """Return the rows of the agents that have a tool."""
        rows = await self.rows.all(self.scope, order=(col(AgentRow.id),))
        return [row for row in rows if tool in row.config["tools"]]

    async def _page(
        self, conditions: Iterable[ColumnElement[bool]], page: int, page_size: int, anchor: int | None
    ) -> Page[AgentSummary]:
        found = await self.rows.page(
            self.scope, *conditions, key=AgentRow.id, page=page, page_size=page_size, anchor=anchor
        )
        items = await self._summaries(found.items)
        return Page(items, found.total, found.page, found.page_size, found.anchor)

    async def _summaries(self, rows: Iterable[AgentRow]) -> builtins.list[AgentSummary]:
        rows = builtins.list(rows)
        link = SubagentRow
        of_them = [
            *Repository(self.session, link).owned(self.scope),
            col(link.agent_id).in_([row.id for row in rows]),
        ]
        counts = await self._counted(link.agent_id, of_them)
        above = {row.parent_id for row in rows if row.parent_id is not None}
        parents = select(col(AgentRow.id), col(AgentRow.uuid)).where(
            *self.rows.owned(self.scope), col(AgentRow.id).in_(above)
        )
        uuids: Mapping[Any, str] = dict((await self.session.execute(parents)).all()) if above else {}  # pyright: ignore[reportArgumentType]
        return [
            AgentSummary(
                id=row.uuid,
                parent_id=uuids.get(row.parent_id),
                name=row.name,
                description=row.description,
                category=row.category,
                status=cast("Status", row.status),
                model=row.model or self._default_model,
                tools_count=len(row.config["tools"]),
                subagents_count=counts.get(row.id, 0),
                created_at=row.created_at,
                updated_at=row.updated_at,
            )
            for row in rows
        ]

    def _conditions(self, which: AgentFilter) -> builtins.list[ColumnElement[bool]]:
        conditions: builtins.list[ColumnElement[bool]] = []
        if not which.subagents:
            conditions.append(col(AgentRow.parent_id).is_(None))
        if which.status is not None:
            conditions.append(col(AgentRow.status) == which.status)
        if which.category is not None:
            conditions.append(col(AgentRow.category) == which.category)
        if which.model is not None:
            unnamed = [col(AgentRow.model).is_(None)] if which.model == self._default_model else []
            conditions.append(or_(col(AgentRow.model) == which.model, *unnamed))
        if which.search is not None:
            conditions.append(col(AgentRow.name).icontains(which.search, autoescape=True))
        return conditions

    async def _counted(self, by: Any, conditions: Iterable[ColumnElement[bool]]) -> dict[Any, int]:
        query = select(by, func.count()).where(*conditions).group_by(by)
        return {row[0]: row[1] for row in await self.session.execute(query)}


def _config(row: AgentRow, subagents: Iterable[AgentRow]) -> AgentConfig:
    """Return the configuration as its author wrote it."""
    columns = {name: getattr(row, name) for name in COLUMNS}
    return AgentConfig.model_validate({**row.config, **columns, "subagents": [each.uuid for each in subagents]})
