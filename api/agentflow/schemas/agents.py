"""Agents as agentflow takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.kit.body import INTEGRAL, Body, leave_out_default
from api.kit.names import Name
from cairn.contracts.json import JsonObject
from cairn.domain.agents import config, model
from cairn.domain.agents.config import AgentConfig
from cairn.persistence.paging import Page

_EXAMPLE: JsonObject = {
    "name": "Clerk",
    "description": "Answers questions about orders.",
    "category": "support",
    "instructions": "Be brief. Calculate with the tool.",
    "tools": ["calculate"],
    "approvals": {"calculate": {"enabled": True}},
}
_ID = "Also the uuid of its workflow, by which executions and approvals name it."
_PARENT = "The agent that it was made under; null for one that stands by itself."
_MODEL = "The deployment's default where the configuration names none."


class CreateAgent(AgentConfig):
    """A new agent; all but the name has a default."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name


class UpdateMemory(Body):
    """Changes of `memory`."""

    enabled: bool | None = None
    scopes: config.Scopes | None = None


class UpdateApprovalDefaults(Body):
    """Changes of `approval_defaults`."""

    enabled: bool | None = None
    timeout_seconds: config.Seconds | None = None


class UpdateQuestions(Body):
    """Changes of `questions`."""

    enabled: bool | None = None
    timeout_seconds: config.Seconds | None = None


def _document_update(schema: dict[str, Any]) -> None:
    leave_out_default(schema["properties"]["name"])  # it may be left out, but there is no default to set it back to
    schema["examples"] = [{"instructions": "Be brief.", "questions": {"enabled": True}}]


class UpdateAgent(Body):
    """Changes of the configuration: a merge patch (RFC 7396).

    Objects are merged, lists are replaced, and null stands for the default.
    """

    model_config = ConfigDict(json_schema_extra=_document_update)

    name: Name = ""
    description: config.Description | None = None
    category: config.Category | None = None
    status: config.Status | None = None
    model: config.Reference | None = None
    temperature: config.Temperature | None = None
    instructions: config.Instructions | None = None
    output_schema: JsonObject | None = Field(default=None, description="Merged with the schema there is.")
    max_turns: config.Turns | None = None
    max_cost: config.Cost | None = None
    tools: config.References | None = None
    subagents: config.References | None = None
    skills: config.References | None = None
    prompt_blocks: config.References | None = None
    context_blocks: config.References | None = None
    knowledge_bases: config.References | None = None
    memory: UpdateMemory | None = None
    approval_defaults: UpdateApprovalDefaults | None = None
    approvals: dict[config.Reference, config.ToolApproval | None] | None = None
    questions: UpdateQuestions | None = None
    metadata: config.Metadata | None = None
    revision: Annotated[int, Field(ge=1, le=2**53), INTEGRAL] | None = Field(
        default=None, description="Refuse with a 409 unless the agent is at this revision; as `If-Match`."
    )

    @property
    def patch(self) -> JsonObject:
        """The merge patch."""
        return self.model_dump(exclude_unset=True, exclude={"revision"})


class AgentConfiguration(AgentConfig):
    """The configuration of an agent; sent back whole it changes nothing."""

    id: str
    revision: int = Field(description="+1 for each change; also the `ETag`.")

    @classmethod
    def of(cls, agent: model.Agent) -> AgentConfiguration:
        """Make it of an agent."""
        return cls.model_validate({**agent.config.model_dump(), "id": agent.id, "revision": agent.revision})


class AgentSummary(BaseModel):
    """An agent as lists show it."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description=_ID)
    parent_id: str | None = Field(description=_PARENT)
    name: str
    description: str
    category: str
    status: config.Status
    model: str = Field(description=_MODEL)
    tools_count: int
    subagents_count: int
    created_at: datetime
    updated_at: datetime


class AgentList(BaseModel):
    """A page of agents, newest first."""

    agents: list[AgentSummary]
    total: int
    page: int
    page_size: int
    anchor: int | None = Field(description="Sent with the next page, it keeps later agents out of the pages.")

    @classmethod
    def of(cls, page: Page[model.AgentSummary]) -> AgentList:
        """Make it of what the domain found."""
        found = [AgentSummary.model_validate(each) for each in page.items]
        return cls(agents=found, total=page.total, page=page.page, page_size=page.page_size, anchor=page.anchor)


class SubagentList(BaseModel):
    """A page of an agent's sub-agents, newest first."""

    subagents: list[AgentSummary]
    total: int
    page: int
    page_size: int
    anchor: int | None = Field(description="Sent with the next page, it keeps later sub-agents out of the pages.")

    @classmethod
    def of(cls, page: Page[model.AgentSummary]) -> SubagentList:
        """Make it of what the domain found."""
        found = [AgentSummary.model_validate(each) for each in page.items]
        return cls(subagents=found, total=page.total, page=page.page, page_size=page.page_size, anchor=page.anchor)


class AgentName(BaseModel):
    """An agent as others refer to it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    description: str


class AgentWorkflow(BaseModel):
    """The graph that an agent is."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    uuid: str
    version: int = Field(description="The version that new runs of the agent run.")


class Agent(AgentSummary):
    """An agent."""

    instructions: str
    tools: list[str]
    subagents: list[AgentName]
    knowledge_bases: list[str]
    skills: list[str]
    output_schema: JsonObject | None
    max_turns: int
    revision: int
    workflow: AgentWorkflow

    @classmethod
    def of(cls, agent: model.Agent) -> Agent:
        """Make it of what the domain has."""
        said = agent.config
        return cls(
            **AgentSummary.model_validate(agent.summary).model_dump(),
            instructions=said.instructions,
            tools=said.tools,
            subagents=[AgentName.model_validate(each) for each in agent.subagents],
            knowledge_bases=said.knowledge_bases,
            skills=said.skills,
            output_schema=said.output_schema,
            max_turns=said.max_turns,
            revision=agent.revision,
            workflow=AgentWorkflow.model_validate(agent.workflow),
        )


class AgentStatistics(BaseModel):
    """How many agents there are, and how they did."""

    model_config = ConfigDict(from_attributes=True)

    total: int = Field(description="Agents that stand by themselves; so do the next ones but `subagents`.")
    active: int
    subagents: int = Field(description="Agents that were made under another one.")
    by_category: dict[str, int]
    by_model: dict[str, int]
    executions_24h: int = Field(description="Executions of all agents that began in the last 24 hours.")
    success_rate_24h: float | None = Field(
        description="The completed ones of those that completed or failed, from 0 to 1; null without any."
    )


class AssignTool(Body):
    """A tool for a sub-agent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tool": "calculate", "require_approval": True}]})

    tool: config.Reference
    require_approval: bool | None = Field(
        default=None, description="Whether a person has to approve its calls; null: as the sub-agent's defaults say."
    )
