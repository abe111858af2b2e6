"""The definition format of a graph (specs: voice definition format, engine node kinds) as it is stored and sent.

The model is lenient: whatever has nodes and edges is a definition and can be a draft. What a graph must fulfil to be
published is said by :mod:`cairn.graph.validate`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from cairn.contracts.json import Json, JsonObject, integral


class Position(BaseModel):
    """Where an editor draws the node."""

    model_config = ConfigDict(extra="allow")

    x: float = 0
    y: float = 0


class Node(BaseModel):
    """One node: ``data`` is of the form that its kind asks for."""

    model_config = ConfigDict(extra="allow")

    id: str
    type: str
    position: Position = Field(default_factory=Position)
    data: JsonObject = Field(default_factory=dict)


class Edge(BaseModel):
    """One edge: ``data`` has the form of :class:`EdgeData`."""

    model_config = ConfigDict(extra="allow")

    id: str
    source: str
    target: str
    data: JsonObject = Field(default_factory=dict)


class EdgeData(BaseModel):
    """Data of an edge.

    Attributes:
        label: names the way taken.
        expression: CEL; the edge is taken when it is true.
        condition: text that a model judges (voice graphs).
        on: which end of the source node's work it follows.
        transition_speech: text that is said on the way (voice graphs).
        transition_speech_recording_id: what is played on the way.
    """

    model_config = ConfigDict(extra="allow")

    label: str = ""
    expression: str | None = None
    condition: str | None = None
    on: Literal["success", "error", "timeout"] = "success"
    transition_speech: str | None = None
    transition_speech_type: Literal["text", "audio"] | None = None
    transition_speech_recording_id: str | None = None


class StateKey(BaseModel):
    """Declaration of one key of the state."""

    model_config = ConfigDict(populate_by_name=True)

    json_schema: JsonObject | None = Field(default=None, alias="schema")
    reducer: Literal["replace", "append", "merge", "sum"] = "replace"
    default: Json = None


Count = Annotated[int, Field(ge=1, le=2**53), BeforeValidator(integral)]


class Limits(BaseModel):
    """Budget of a whole execution; over it the execution pauses with a reason."""

    steps: Count | None = None
    seconds: float | None = Field(default=None, gt=0)
    tokens: Count | None = None
    cost: float | None = Field(default=None, gt=0)


class Definition(BaseModel):
    """A graph as authored; unknown top-level keys are kept."""

    model_config = ConfigDict(extra="allow")

    nodes: list[Node] = Field(default_factory=list[Node])
    edges: list[Edge] = Field(default_factory=list[Edge])
    viewport: dict[str, Any] | None = None
    state: dict[str, StateKey] = Field(default_factory=dict)
    input_schema: JsonObject | None = None
    output_schema: JsonObject | None = None
    durability: Literal["step", "segment"] = "step"
    limits: Limits = Field(default_factory=Limits)


class GraphIssue(BaseModel):
    """One error or warning of a graph, as an editor shows it.

    Attributes:
        kind: what it is about.
        id: id of the node or edge, None for the whole graph.
        field: path of the value, for example ``data.prompt``.
        message: for a person.
        severity: a warning does not invalidate.
    """

    kind: Literal["node", "edge", "workflow"]
    id: str | None = None
    field: str | None = None
    message: str
    severity: Literal["error", "warning"] = "error"
