"""retrieve: what the tenant has written down is searched for passages that bear on a query."""

from __future__ import annotations

from pydantic import Field

from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import RETRIEVE
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Scope, Sources, evaluate, render


class RetrieveData(NodeData):
    """Data of a retrieve node.

    Attributes:
        query: text that says what to look for.
        skills: names of skills whose files are searched; those that there are not are left out.
        blocks: names of prompt blocks whose bodies are searched; the same.
        top_k: so many passages at most: a number, or an expression that gives it.
    """

    query: Name
    skills: list[str] = Field(default_factory=list)
    blocks: list[str] = Field(default_factory=list)
    top_k: int | Name = 5


class Retrieve(NodeKind[RetrieveData]):
    """The kind."""

    def resolve(self, data: RetrieveData, scope: Scope) -> JsonObject:
        """Render the query; the agent is the graph that runs."""
        execution = scope.get("execution")
        return {
            "agent": execution.get("workflow_id") if isinstance(execution, dict) else None,
            "query": render(data.query, scope),
            "skills": list(data.skills),
            "blocks": list(data.blocks),
            "top_k": evaluate(data.top_k, scope),
        }

    def expressions(self, data: RetrieveData) -> Sources:
        """How many, when it is to be found out."""
        if isinstance(data.top_k, str):
            yield "top_k", data.top_k

    def texts(self, data: RetrieveData) -> Sources:
        """The query."""
        yield "query", data.query


KIND = Retrieve(type="retrieve", Data=RetrieveData, activity=RETRIEVE, checkpointed=True, timeout=300.0)
