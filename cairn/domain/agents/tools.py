"""The tools of an agent: those of the installation, and those that are made for it over the API."""

from __future__ import annotations

from collections.abc import Sequence

from cairn.contracts.json import JsonObject
from cairn.domain.agents.config import AgentConfig, ToolApproval
from cairn.domain.agents.model import AgentTool, ToolFilter
from cairn.domain.agents.rows import find_agent
from cairn.domain.agents.service import AgentService
from cairn.domain.tools.authored import ToolSpec
from cairn.domain.tools.authored.drafts import ToolDraft, ToolDrafts
from cairn.errors import Conflict, FieldError, InvalidInput, NotFound
from cairn.persistence.tables import AgentRow


class AgentTools:
    """Makes, reads and changes the tools of agents within a session; commits nothing.

    Everything that names an agent raises ``NotFound`` for one that the scope does not have. A tool is its tenant's: any
    agent may be given it by its name, and a change of it is one for all that have it.
    """

    def __init__(self, agents: AgentService, drafts: ToolDrafts) -> None:
        """Take the agents, in whose session and scope it works, and the drafts."""
        self.agents = agents
        self.drafts = drafts
        self._tools = agents.tools

    async def list(self, agent: str, which: ToolFilter) -> Sequence[AgentTool]:
        """Return the tools of an agent in the order of its configuration, or its drafts, newest first."""
        config = await self._config(agent)
        if which.status == "draft":
            found = [AgentTool.of_draft(each) for each in await self.drafts.list(agent)]
        else:
            found = await self.agents.shown_tools(config.tools, config)
        return [each for each in found if which.takes(each)]

    async def get(self, agent: str, tool: str) -> AgentTool:
        """Return a tool of an agent by its name, or a draft by its id.

        Raises:
            NotFound: the agent has no such tool.
        """
        config = await self._config(agent)
        if tool in config.tools:
            return (await self.agents.shown_tools([tool], config))[0]
        try:
            return AgentTool.of_draft(await self.drafts.get(agent, tool))
        except NotFound:
            raise _no_tool() from None

    async def register(self, agent: str, spec: ToolSpec) -> AgentTool:
        """Make a tool and give it to the agent.

        Raises:
            Conflict: there is a tool of this name.
            InvalidInput: it names what there is not.
        """
        row = await self._locked(agent)
        await self._tools.register(spec)
        return await self._given(row, spec.name)

    async def give(self, agent: str, tool: str) -> AgentTool:
        """Give an agent a tool of the installation.

        Raises:
            InvalidInput: the installation has no such tool.
            Conflict: the agent has it already.
        """
        row = await self._locked(agent)
        if tool not in self._tools.registry:
            raise InvalidInput("There is no such tool.", errors=[FieldError("/name", f"There is no tool {tool!r}")])
        return await self._given(row, tool)

    async def persist(self, agent: str, spec: ToolSpec, draft: str | None = None) -> AgentTool:
        """Make a tool of a draft or of code: of a name that the agent has already, it is a new version of that tool.

        Raises:
            NotFound: the agent has no such draft.
            Conflict: there is another tool of this name.
            InvalidInput: it cannot be called.
        """
        row = await self._locked(agent)
        config = await self.agents.config_of(row)
        own = spec.name in config.tools and spec.name in await self._tools.named([spec.name])
        if own:
            said = spec.model_dump(exclude={"name"}, exclude_unset=True)
            await self._tools.change(spec.name, {**said, "http": None, "mcp": None})
            await self.agents.recompile(spec.name)
        else:
            await self._tools.register(spec)
        if draft is not None:
            await self.drafts.drop(agent, draft)
        return await self.get(agent, spec.name) if own else await self._given(row, spec.name)

    async def change(self, agent: str, tool: str, patch: JsonObject) -> AgentTool:
        """Change what is said of a tool that was made over the API; for all agents that have it.

        Raises:
            NotFound: the agent has no such tool.
            Conflict: the tool is the installation's.
            InvalidInput: it could not be called.
        """
        await self._own(await self._locked(agent), tool)
        if tool in self._tools.registry:
            raise Conflict("The tool is the installation's: only its approval can be configured.", code="builtin_tool")
        await self._tools.change(tool, patch)
        await self.agents.recompile(tool)
        return await self.get(agent, tool)

    async def configure_approval(self, agent: str, tool: str, approval: ToolApproval) -> AgentTool:
        """Say whether, by whom and in what time calls of a tool by this agent are approved.

        Raises:
            NotFound: the agent has no such tool.
            Conflict: the tool itself asks for approval, whatever agents say.
        """
        row = await self._locked(agent)
        known = (await self._own(row, tool)).spec
        if known is not None and known.require_approval and not approval.enabled:
            message = "The tool itself requires approval: change its require_approval first."
            raise Conflict(message, code="approval_required")
        await self.agents.change(agent, {"approvals": {tool: approval.model_dump()}})
        return await self.get(agent, tool)

    async def remove(self, agent: str, tool: str) -> None:
        """Take a tool from an agent, or let go of a draft. A made tool that no agent has any more is out of use.

        Raises:
            NotFound: the agent has no such tool.
        """
        row = await self._locked(agent)
        config = await self.agents.config_of(row)
        if tool not in config.tools:
            try:
                return await self.drafts.drop(agent, tool)
            except NotFound:
                raise _no_tool() from None
        left = [each for each in config.tools if each != tool]
        await self.agents.change(agent, {"tools": left, "approvals": {tool: None}})
        made = (await self._tools.named([tool])).get(tool)
        if made is not None and not await self.agents.having(tool):
            await self._tools.archive(made.uuid)

    async def keep_draft(self, agent: str, spec: ToolSpec, tests: Sequence[JsonObject]) -> ToolDraft:
        """Keep what a model wrote."""
        await self._config(agent)
        return await self.drafts.keep(agent, spec, tests)

    async def _given(self, row: AgentRow, tool: str) -> AgentTool:
        tools = (await self.agents.config_of(row)).tools
        if tool in tools:
            raise Conflict(f"The agent has the tool {tool!r} already.", code="tool_assigned")
        await self.agents.change(row.uuid, {"tools": [*tools, tool]})
        return await self.get(row.uuid, tool)

    async def _own(self, row: AgentRow, tool: str) -> AgentTool:
        config = await self.agents.config_of(row)
        if tool not in config.tools:
            raise _no_tool()
        return (await self.agents.shown_tools([tool], config))[0]

    async def _config(self, agent: str) -> AgentConfig:
        return await self.agents.config_of(await find_agent(self.agents.session, self.agents.scope, agent))

    async def _locked(self, agent: str) -> AgentRow:
        return await find_agent(self.agents.session, self.agents.scope, agent, lock=True)


def _no_tool() -> NotFound:
    return NotFound("The agent has no such tool.", code="tool_not_found")
