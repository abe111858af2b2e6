"""agent: a model works on a prompt, with tools, until it has an answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import ASK_USER, RUN_AGENT
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Scope, Sources, evaluate, render

Seconds = Annotated[float, Field(gt=0, le=10 * 366 * 86400)]


class Questions(BaseModel):
    """How an agent's model asks people.

    Attributes:
        timeout: seconds until a question is asked in vain; None for never.
        assignees: ids of the users who may answer; empty for anyone.
    """

    model_config = ConfigDict(extra="forbid")

    timeout: Seconds | None = None
    assignees: list[Name] = Field(default_factory=list)


class SubAgent(BaseModel):
    """An agent that another one's model may call, as if it were a tool.

    Attributes:
        name: by which the model calls it.
        workflow_id: id or uuid of its graph, which takes ``{"message": …}``; its version is the one that was published
            when the root execution began.
        description: told to the model.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    workflow_id: Name | int
    description: str = ""


class AgentData(NodeData):
    """Data of an agent node.

    Attributes:
        prompt: text.
        system: text.
        model: ``provider:name``; None for the deployment's default.
        tools: names of the tools that the model may call.
        output_schema: JSON Schema of the answer; None for text.
        max_turns: model calls at most.
        max_cost: US dollars at most.
        temperature: of the model's sampling.
        require_approval: names of those tools whose calls a person has to approve.
        approval_timeout: seconds until a call counts as denied; None for never.
        approval_timeouts: the same for single tools, by name.
        approvers: ids of the users who may approve the calls of a tool, by its name; anyone where it is not named.
        questions: the model may ask people, by a tool `ask_user`, and go on with their answer; None: it may not.
        conversation: expression that gives the turn of a conversation which the agent takes: ``{id, message_id}``, and
            ``model`` to ask another one in it; null for none. What was said before is told to the model, and what the
            agent says is kept as a message.
        subagents: other agents that the model may call, each with a message; a call is a child execution.
        use_case: the tenant's model for this use case is asked, with the tenant's keys; None: the installation's, but
            for turns of conversations.
    """

    prompt: Name
    system: str | None = None
    model: Name | None = None
    tools: list[Name] = Field(default_factory=list)
    output_schema: JsonObject | None = None
    max_turns: int = Field(default=10, ge=1, le=1000)
    max_cost: float | None = Field(default=None, gt=0)
    temperature: float | None = Field(default=None, ge=0, le=2)
    require_approval: list[Name] = Field(default_factory=list)
    approval_timeout: Seconds | None = None
    approval_timeouts: dict[Name, Seconds] = Field(default_factory=dict)
    approvers: dict[Name, list[Name]] = Field(default_factory=dict)
    questions: Questions | None = None
    conversation: Name | None = None
    subagents: list[SubAgent] = Field(default_factory=list[SubAgent])
    use_case: Name | None = None

    @property
    def loops(self) -> bool:
        """Whether its model may call anything, so that it works in turns."""
        return bool(self.tools or self.subagents) or self.questions is not None


class Agent(NodeKind[AgentData]):
    """The kind."""

    def resolve(self, data: AgentData, scope: Scope) -> JsonObject:
        """Render prompt and system; members that the author did not ask for are left out of histories."""
        turn = evaluate(data.conversation, scope) if data.conversation is not None else None
        given: JsonObject = {"conversation": turn} if isinstance(turn, dict) else {}
        given |= {"use_case": data.use_case} if data.use_case is not None else {}
        given |= {"asks": True} if data.questions is not None else {}
        if data.subagents:
            given["subagents"] = [{"name": each.name, "description": each.description} for each in data.subagents]
        return {
            "prompt": render(data.prompt, scope),
            "system": render(data.system, scope) if data.system else None,
            "model": given.get("conversation", {}).get("model") or data.model,
            "tools": list(data.tools),
            "output_schema": data.output_schema,
            "max_turns": data.max_turns,
            "max_cost": data.max_cost,
            "temperature": data.temperature,
            **given,
        }

    def without_effect(self, data: AgentData) -> bool:
        """An agent that can call nothing asks a model and does nothing else."""
        return not data.loops

    def expressions(self, data: AgentData) -> Sources:
        """The turn of a conversation."""
        if data.conversation is not None:
            yield "conversation", data.conversation

    def texts(self, data: AgentData) -> Sources:
        """Prompt and system."""
        yield "prompt", data.prompt
        if data.system:
            yield "system", data.system

    def problems(self, data: AgentData) -> Iterable[tuple[str, str]]:
        """A name that is misspelt would let the tool run without approval."""
        for i, name in enumerate(data.require_approval):
            if name not in data.tools:
                yield f"require_approval.{i}", f"'{name}' is none of the agent's tools"
        if data.questions is not None and ASK_USER in data.tools:
            yield "questions", f"'{ASK_USER}' is a tool of the agent's: the model could not tell them apart"
        taken = {*data.tools, *([ASK_USER] if data.questions is not None else [])}
        for i, each in enumerate(data.subagents):
            if each.name in taken:
                yield f"subagents.{i}.name", f"the model could not tell '{each.name}' from another one of this name"
            taken.add(each.name)
        for member, named in (("approval_timeouts", data.approval_timeouts), ("approvers", data.approvers)):
            for name in named:
                if name not in data.require_approval:
                    yield f"{member}.{name}", f"'{name}' is none of the tools that need approval"

    def tools(self, data: AgentData) -> Iterable[tuple[str, str]]:
        """The tools that the model may call."""
        return [(f"tools.{i}", name) for i, name in enumerate(data.tools)]


KIND = Agent(type="agent", Data=AgentData, activity=RUN_AGENT, checkpointed=True, timeout=300.0)
