"""Making and changing agents."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence

from cairn.contracts.json import JsonObject, merge_patch
from cairn.domain.agents.compiled import definition_of, refuse
from cairn.domain.agents.config import COLUMNS, AgentConfig, invalid, read_config
from cairn.domain.agents.hierarchy import Hierarchy
from cairn.domain.agents.model import Agent, AgentName, AgentTool
from cairn.domain.agents.reading import AgentReader
from cairn.domain.agents.rows import find_agent, find_subagent
from cairn.domain.graphs.service import GraphService
from cairn.domain.llm.policy import PROVIDERS
from cairn.domain.tools.authored import ToolService, ToolSpec
from cairn.errors import Conflict, FieldError, InvalidInput, NotFound
from cairn.persistence.tables import AgentRow
from cairn.persistence.types import utc_now

_TOLD_ABOVE = {"name", "description", "status"}
"""Members that the models of the agents above are told of."""
_APART = {*COLUMNS, "subagents"}
"""Members of a configuration that are kept elsewhere than in the row's ``config``."""


class AgentService(AgentReader):
    """Makes, reads and changes agents within a session; commits nothing.

    Each change of what an agent does publishes a version of its graph; executions that run stay at theirs.
    """

    def __init__(self, graphs: GraphService, tools: ToolService, default_model: str, author: str | None) -> None:
        """Take the graphs, in whose session and scope it works, the tools there are, the default model, who writes."""
        super().__init__(graphs.session, graphs.scope, tools, default_model)
        self.graphs = graphs
        self.hierarchy = Hierarchy(self.session, self.scope)
        self._author = author

    async def create(self, values: JsonObject) -> Agent:
        """Make an agent.

        Args:
            values: of the form of :class:`AgentConfig`.

        Raises:
            InvalidInput: a value is wrong, or names a tool, an agent or a provider of models that there is not.
            Conflict: its sub-agents would be too deep.
        """
        if values.get("subagents"):
            await self.hierarchy.lock()
        return await self.shown(await self._make(read_config(values)))

    async def create_subagent(self, agent: str, values: JsonObject) -> Agent:
        """Make an agent under another one.

        Raises:
            NotFound: the scope has no such agent.
            InvalidInput, Conflict: as of :meth:`create`.
        """
        await self.hierarchy.lock()
        parent = await find_agent(self.session, self.scope, agent, lock=True)
        row = await self._make(read_config(values), parent)
        await self.hierarchy.assign(parent, [*await self.subagents_of(parent), row])
        await self.republish([parent])
        self._touch(parent)
        return await self.shown(row)

    async def change(
        self, agent: str, patch: JsonObject, revision: int | None = None, *, subagent: str | None = None
    ) -> Agent:
        """Change an agent's configuration; what changes nothing is no change.

        Args:
            agent: the agent.
            patch: merge patch (RFC 7396): objects are merged, lists replaced, null stands for the default.
            revision: refuse unless the agent is at this one.
            subagent: change this sub-agent of the agent.

        Raises:
            NotFound: the scope has no such agent, or that has no such sub-agent.
            Conflict: another revision, or sub-agents that make a cycle or are too deep.
            InvalidInput: as of :meth:`create`.
        """
        if not {"subagents", *_TOLD_ABOVE}.isdisjoint(patch):
            await self.hierarchy.lock()
        row = await self._locked(agent, subagent)
        if revision not in (None, row.revision):
            raise Conflict(
                f"The agent is at revision {row.revision}, not {revision}.",
                code="stale_revision",
                extra={"expected_revision": revision, "current_revision": row.revision},
            )
        return await self._apply(row, patch)

    async def assign_tool(
        self, agent: str, subagent: str, tool: str, require_approval: bool | None = None
    ) -> AgentTool:
        """Give a tool to a sub-agent.

        Args:
            agent: the agent.
            subagent: its sub-agent.
            tool: the tool's name.
            require_approval: a person has to approve its calls; None: as the sub-agent's defaults say.

        Raises:
            NotFound: the agent has no such sub-agent.
            InvalidInput: there is no such tool.
            Conflict: the sub-agent has it already.
        """
        row = await self._locked(agent, subagent)
        if await self._unknown([tool]):
            raise InvalidInput("There is no such tool.", errors=[FieldError("/tool", _unknown(tool))])
        tools = (await self.config_of(row)).tools
        if tool in tools:
            raise Conflict(f"The sub-agent has the tool {tool!r} already.", code="tool_assigned")
        approval = {} if require_approval is None else {tool: {"enabled": require_approval}}
        changed = await self._apply(row, {"tools": [*tools, tool], "approvals": approval})
        return (await self.shown_tools([tool], changed.config))[0]

    async def remove_tool(self, agent: str, subagent: str, tool: str) -> None:
        """Take a tool from a sub-agent.

        Raises:
            NotFound: the agent has no such sub-agent, or that has no such tool.
        """
        row = await self._locked(agent, subagent)
        tools = (await self.config_of(row)).tools
        if tool not in tools:
            raise NotFound("The sub-agent has no such tool.", code="tool_not_found")
        left = [each for each in tools if each != tool]
        await self._apply(row, {"tools": left, "approvals": {tool: None}})

    async def recompile(self, tool: str) -> None:
        """Publish anew the graphs of the agents that have a tool, where what is said of it changes them."""
        await self.republish(await self.having(tool))

    async def republish(self, rows: Sequence[AgentRow]) -> None:
        """Publish the graphs of agents anew, where what they may call has changed.

        An agent whose graph cannot be published as it is, for want of another tool, stays with the one that it has: a
        call that nobody has approved is refused by the tool itself, one of an agent that is gone by the engine.
        """
        for row in rows:
            with contextlib.suppress(InvalidInput):
                async with self.session.begin_nested():
                    await self._publish(row, await self.config_of(row))

    async def _locked(self, agent: str, subagent: str | None) -> AgentRow:
        if subagent is None:
            return await find_agent(self.session, self.scope, agent, lock=True)
        return (await find_subagent(self.session, self.scope, agent, subagent, lock=True))[1]

    async def _make(self, config: AgentConfig, parent: AgentRow | None = None) -> AgentRow:
        await self._check(config, AgentConfig(name=config.name))
        subagents = await self.hierarchy.named(config.subagents)
        definition = definition_of(config, await self._specs(config), _callable(subagents))
        graph = await self.graphs.create(config.name, definition)
        refuse(graph.issues)
        if config.status == "archived":
            await self.graphs.set_status(graph.id, config.status)
        row = AgentRow(
            tenant=self.scope.tenant,
            live=self.scope.live is not False,
            uuid=graph.uuid,
            graph_id=graph.id,
            parent_id=parent.id if parent else None,
            author=self._author,
            **_columns(config),
        )
        await self.rows.add(row)
        if subagents:
            await self.hierarchy.assign(row, subagents)
        return row

    async def _apply(self, row: AgentRow, patch: JsonObject) -> Agent:
        before = await self.config_of(row)
        after = read_config(merge_patch(before.model_dump(), patch))
        if after != before:
            await self._check(after, before)
            if after.subagents != before.subagents:
                await self.hierarchy.assign(row, await self.hierarchy.named(after.subagents))
            await self._publish(row, after)
            for name, value in _columns(after).items():
                setattr(row, name, value)
            self._touch(row)
            if any(getattr(after, name) != getattr(before, name) for name in _TOLD_ABOVE):
                await self.republish(await self.hierarchy.above([row.id]))
        return await self.shown(row)

    async def _unknown(self, tools: Sequence[str]) -> Collection[str]:
        """Return which of some names are no tools."""
        others = {tool for tool in tools if tool not in self.tools.registry}
        return others - (await self.tools.named(others)).keys() if others else ()

    async def _specs(self, config: AgentConfig) -> dict[str, ToolSpec]:
        """Return what is said of those of the tools that authors have made."""
        found = await self.tools.named([tool for tool in config.tools if tool not in self.tools.registry])
        return {name: tool.spec for name, tool in found.items() if tool.spec is not None}

    async def _check(self, config: AgentConfig, before: AgentConfig) -> None:
        """Refuse what a configuration newly names and there is not."""
        missing = await self._unknown([tool for tool in config.tools if tool not in before.tools])
        unknown = [(("tools", index), _unknown(tool)) for index, tool in enumerate(config.tools) if tool in missing]
        if unknown:
            raise invalid(unknown)
        model = config.model
        if model is not None and model != before.model and model.partition(":")[0] not in PROVIDERS:
            said = f"Model {model!r} has no known provider. Write provider:model with one of: "
            raise invalid([(("model",), said + ", ".join(sorted(PROVIDERS)))])

    async def _publish(self, row: AgentRow, config: AgentConfig) -> None:
        """Publish a version of the graph, unless the published one does the same."""
        subagents = _callable(await self.subagents_of(row))
        definition = definition_of(config, await self._specs(config), subagents)
        graph = await self.graphs.get(row.uuid)
        if graph.published is None or graph.published.definition != definition or graph.summary.name != config.name:
            changed = await self.graphs.update(row.uuid, name=config.name, definition=definition)
            refuse(changed.issues)
            if changed.published is None or changed.current.id != changed.published.id:
                await self.graphs.publish(row.uuid)
        if graph.summary.status != config.status:
            await self.graphs.set_status(row.uuid, config.status)

    def _touch(self, row: AgentRow) -> None:
        row.revision, row.updated_at, row.author = row.revision + 1, utc_now(), self._author


def _columns(config: AgentConfig) -> JsonObject:
    """Return the values of the row's columns."""
    return {
        **{name: getattr(config, name) for name in COLUMNS},
        "config": config.model_dump(exclude=_APART),
    }


def _callable(subagents: Sequence[AgentRow]) -> list[AgentName]:
    """Return those of an agent's sub-agents that its model may call."""
    return [AgentName(each.uuid, each.name, each.description) for each in subagents if each.status == "active"]


def _unknown(tool: str) -> str:
    return f"There is no tool {tool!r}"
