"""Models at work over several turns: agents with tools, and the call of a voice graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cairn.contracts.executions import NodeFailure
from cairn.contracts.json import Json, JsonObject
from cairn.graph.token import Token


@dataclass(slots=True)
class ToolCall:
    """A tool call that a model asked for.

    Attributes:
        id: the model's name of the call.
        approved: a person has agreed to it, or none has to.
        result: {value} or {error}, once it ended.
        names: of the scope that the tool reads besides its arguments.
    """

    id: str
    tool: str
    arguments: JsonObject
    approved: bool = False
    asked: bool = False
    result: JsonObject | None = None
    names: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class AgentLoop:
    """One visit of an agent that has tools: a model's turns and the tool calls between them.

    Attributes:
        token: what entered the node.
        data: as the node's kind resolved it.
        turns: how often the model was asked.
        history: reference of the turns so far.
        calls: tool calls of the present turn.
        cost: US dollars so far.
        asking: a call of the model is under way.
        alone: there is no model: the loop is a tool node's, and ends with its one call.
        subagents: how many sub-agents it has called so far.
    """

    token: Token
    data: JsonObject
    turns: int = 0
    history: Json = None
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    cost: float = 0.0
    asking: bool = False
    alone: bool = False
    subagents: int = 0


@dataclass(slots=True)
class Said:
    """One line of a call's transcript.

    Attributes:
        text: empty for a recording that was played.
        turn: which utterance of the caller it is, or answers; 0 before the first.
        at: when the execution took note of it; None until its next turn.
        event_id: the event by which the caller's words came.
        recording_id: of an audio greeting or transition.
    """

    role: Literal["agent", "caller"]
    text: str
    node_id: str
    turn: int
    at: datetime | None = None
    event_id: str | None = None
    recording_id: str | None = None


@dataclass(slots=True)
class Call:
    """The call of a voice graph. At any time at most one node speaks.

    Attributes:
        max_duration: seconds.
        idle_timeout: seconds of silence after which the call ends.
        codes: what dispositions are called in the graph's configuration.
        defaults: what texts know that the call's context does not say, by the same configuration.
        token: where the call stands; None between nodes.
        stage: what comes before the Start Call's first word.
        fresh: the node was entered and its expressions have not been looked at.
        opened: the node has said its first words.
        heard: what the caller said and nobody has answered.
        unsaid: lines that the engine said and the model does not know of.
        history: reference of what model and caller have said so far.
        tools: tool calls of the present turn.
        results: what the model is told next of tools and transitions.
        asked: how often the model was asked in this turn.
        way: id of the edge to leave the node by.
        extracted: the values of this visit were extracted.
        variables: values that were extracted so far.
        clock: when the execution was last at work; a call's time stands still while it is paused.
        held: it has been paused since.
        disposition: how the call ended.
        failure: why it failed; the execution fails with it after what follows the call.
        after: nodes that are still to run after the call; None until the call has been left.
        reviews: what qa nodes found, by their id.
        problems: what went wrong beside the conversation.
        finished: nothing is left to do.
    """

    max_duration: float
    idle_timeout: float
    codes: JsonObject = field(default_factory=dict[str, Json])
    defaults: JsonObject = field(default_factory=dict[str, Json])
    token: Token | None = None
    stage: Literal["fetch", "delay", "greet", "talk"] = "fetch"
    fresh: bool = False
    opened: bool = False
    turn: int = 0
    heard: str | None = None
    unsaid: list[str] = field(default_factory=list[str])
    history: Json = None
    tools: list[ToolCall] = field(default_factory=list[ToolCall])
    results: list[JsonObject] = field(default_factory=list[JsonObject])
    asked: int = 0
    way: str | None = None
    extracted: bool = False
    variables: JsonObject = field(default_factory=dict[str, Json])
    transcript: list[Said] = field(default_factory=list[Said])
    began_at: datetime | None = None
    ended_at: datetime | None = None
    clock: datetime | None = None
    held: bool = False
    disposition: str | None = None
    failure: NodeFailure | None = None
    after: list[str] | None = None
    reviews: JsonObject = field(default_factory=dict[str, Json])
    problems: list[JsonObject] = field(default_factory=list[JsonObject])
    finished: bool = False

    @property
    def seconds(self) -> float:
        """How long the call took, from the first word on."""
        if self.began_at is None or self.ended_at is None:
            return 0.0
        return max((self.ended_at - self.began_at).total_seconds(), 0.0)

    @property
    def outcome(self) -> str | None:
        """How the call ended, by the name that the author gave it."""
        told = self.variables.get("call_disposition")
        disposition = told if isinstance(told, str) and told and self.disposition == COMPLETED else self.disposition
        code = self.codes.get(disposition or "")
        return code if isinstance(code, str) else disposition


COMPLETED = "completed"
"""The disposition of a call that came to its end by the graph."""
