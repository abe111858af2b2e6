"""Graphs that a model writes from a description: payloads of the workflow ``WriteGraph`` and of its activity."""

from __future__ import annotations

from pydantic import BaseModel, Field

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.json import JsonObject

WRITING_WORKFLOW_TYPE = "WriteGraph"

REPAIRS = 3
"""How often a model may repair a graph that is not valid."""


class WritingRequest(BaseModel):
    """Argument of the ``WriteGraph`` workflow: nothing of the tenant but what the caller said.

    Attributes:
        tenant: whose turn it takes.
        description: what the graph is to do.
        live: False for a test key's.
        user_id: for whom, as the use of the model is accounted.
    """

    tenant: str
    description: str
    live: bool = True
    user_id: str | None = None


class WrittenGraph(BaseModel):
    """Result of the workflow and of its activity.

    Attributes:
        definition: the graph.
        errors: what keeps it from being published, each ``{kind, id, field, message}``.
        model: that wrote it.
        template: the template that was filled in place of a model.
        attempts: how often it was written.
    """

    definition: JsonObject
    errors: list[JsonObject] = Field(default_factory=list[JsonObject])
    model: str
    template: str | None = None
    attempts: int = 1


class WritingTurn(BaseModel):
    """Input of ``write_graph``.

    Attributes:
        previous: what was written before, with its errors; None at first.
    """

    request: WritingRequest
    previous: WrittenGraph | None = None


WRITE_GRAPH = ActivityRef("write_graph", WritingTurn, WrittenGraph)
