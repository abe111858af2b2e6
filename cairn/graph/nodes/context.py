"""context: blocks of the tenant are rendered, and skills named, to stand in the prompt of an agent."""

from __future__ import annotations

from pydantic import Field

from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import BUILD_CONTEXT
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Scope, Sources, evaluate


class ContextData(NodeData):
    """Data of a context node.

    Attributes:
        blocks: names of prompt blocks; those that there are not, that are switched off, or that are for other agents
            only, are left out.
        skills: names of skills, of which the model is told what they are for; those that there are not are left out.
        conversation: expression that gives the turn of a conversation for which they are rendered: ``{id,
            message_id}``; null for none. What is put into a conversation once stays in it as it is.
        variables: expression that gives what the blocks read by name, besides the conversation's metadata.
    """

    blocks: list[str] = Field(default_factory=list)
    skills: list[str] = Field(default_factory=list)
    conversation: Name | None = None
    variables: Name | None = None


class Context(NodeKind[ContextData]):
    """The kind."""

    def resolve(self, data: ContextData, scope: Scope) -> JsonObject:
        """Evaluate both expressions; the agent is the graph that runs."""
        turn = evaluate(data.conversation, scope) if data.conversation is not None else None
        variables = evaluate(data.variables, scope) if data.variables is not None else None
        execution = scope.get("execution")
        return {
            "agent": execution.get("workflow_id") if isinstance(execution, dict) else None,
            "blocks": list(data.blocks),
            "skills": list(data.skills),
            "conversation": turn if isinstance(turn, dict) else None,
            "variables": variables if isinstance(variables, dict) else {},
        }

    def expressions(self, data: ContextData) -> Sources:
        """The turn and the variables."""
        for name in ("conversation", "variables"):
            source = getattr(data, name)
            if source is not None:
                yield name, source


KIND = Context(type="context", Data=ContextData, activity=BUILD_CONTEXT, checkpointed=True, timeout=300.0)
