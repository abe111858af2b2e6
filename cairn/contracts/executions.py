"""Payloads of the execution workflow: its input and result, its commands (updates) and its query.

All of these are in the histories of running executions: fields are only ever added, with defaults.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field

from cairn.contracts.json import Json, JsonObject

WORKFLOW_TYPE = "GraphExecution"

UPDATE_PAUSE = "pause"
UPDATE_RESUME = "resume"
UPDATE_CANCEL = "cancel"
UPDATE_PATCH = "patch"
UPDATE_ANSWER = "answer"
UPDATE_MIGRATE = "migrate"
SIGNAL_ANSWER = "answer"
SIGNAL_EVENT = "event"
SIGNAL_CANCELLING = "cancelling"
SIGNAL_PARENT = "parent"
QUERY_STATUS = "status"


def execution_tag(tenant: str, execution_id: str) -> str:
    """Return what the ids of an execution's checkpoints begin with (16 hex digits), so that one tells where it is."""
    return hashlib.sha256(f"{tenant}/{execution_id}".encode()).hexdigest()[:16]


class GraphRef(BaseModel):
    """A version of a graph, by reference.

    Attributes:
        workflow_id: the graph's uuid.
        version_id: primary key of the version row that holds the definition.
        version: number of the version, from 1.
        digest: SHA-256 of the definition's canonical JSON; verified when it is loaded.
        body: ids of the map nodes that lead to an inline definition inside the version's; empty for the version's own.
    """

    workflow_id: str
    version_id: int
    version: int
    digest: str
    body: list[str] = Field(default_factory=list)


class Parent(BaseModel):
    """Of whom an execution is a child.

    Attributes:
        execution_id: the execution whose node started it (the caller's id).
        temporal_id: Temporal workflow id of that execution.
        node_id: the node.
        visit: which visit of it, from 1.
        key: the work in the parent that the child does.
        index: which item, for an item of a map; for a sub-agent which of those that the visit has called.
        map_id: Temporal workflow id of the map, for an item of a map.
        depth: how many executions are above it, from 1.
        agents: ids of the graphs of the agents that have called one another, down to this one; none where no agent
            has called another.
    """

    execution_id: str
    temporal_id: str
    node_id: str
    visit: int
    key: str
    index: int | None = None
    map_id: str | None = None
    depth: int = 1
    agents: list[str] = Field(default_factory=list)


class ExecutionInput(BaseModel):
    """Argument of the ``GraphExecution`` workflow.

    Attributes:
        execution_id: the caller's id of the execution (the Temporal workflow id may be ``{tenant}.{id}``).
        tenant: owner.
        live: False for executions of a test key.
        graph: the pinned version.
        input: the caller's ``input_data``.
        metadata: the caller's ``metadata``.
        surface: the surface that started it.
        parent: of whom it is a child; None for one that a caller started.
        item: the item, in a map.
        pins: versions of the graphs that its nodes name, by the name that they use; a child has its parent's.
        seed: an engine's state (``Engine.dump``) that a fork or a new child of a replayed parent starts from.
        carry: the engine's state, when the execution goes on in a new run (continue-as-new).
    """

    execution_id: str
    tenant: str
    live: bool = True
    graph: GraphRef
    input: Json = Field(default_factory=dict)
    metadata: JsonObject = Field(default_factory=dict)
    surface: str = "omium"
    parent: Parent | None = None
    item: Json = None
    pins: dict[str, GraphRef] = Field(default_factory=dict)
    seed: JsonObject | None = None
    carry: JsonObject | None = None


class Phase(StrEnum):
    """State of an execution as its workflow knows it; the value of search attribute ``CairnState``."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


CLOSED = (Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED)
"""Those of an execution that has ended."""


class Usage(BaseModel):
    """Use of models: tokens, and price in US dollars where the price is known."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None

    def plus(self, other: Usage) -> Usage:
        """Return the sum; the cost of a call whose price is unknown counts as nothing."""
        known = [c for c in (self.cost, other.cost) if c is not None]
        return Usage(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost=sum(known) if known else None,
        )


class NodeFailure(BaseModel):
    """Why a node failed for good.

    Attributes:
        code: machine-readable, stable (``timeout``, ``http_status``, ``rate_limited``, ``expression``, ...).
        message: for a person.
        node_id: the node.
        visit: which visit of the node, from 1.
        attempt: the last attempt's number, from 1.
        cause: message of the underlying error, if any.
        usage: what the node, or child, that failed has used of models; no part of what is shown of the failure.
    """

    code: str
    message: str
    node_id: str
    visit: int = 1
    attempt: int = 1
    cause: str | None = None
    usage: Usage | None = Field(default=None, exclude=True)


class ExecutionResult(BaseModel):
    """Result of the ``GraphExecution`` workflow.

    Attributes:
        output: what its end nodes gave.
        usage: use of models by it and its children; None when it asked none.
    """

    output: Json = None
    usage: Usage | None = None


class Command(BaseModel):
    """What every command to an execution carries.

    Attributes:
        lineage: the line it was meant for: the id of the run in which the current line began (the first run, or the
            last one that a reset made). A command of another line is refused, so that what a default Temporal reset
            reapplies cannot act on the new line.
        expected_revision: refuse unless the execution is at this revision.
    """

    lineage: str
    expected_revision: int | None = None


class Pause(Command):
    """Stop before the next node; activities in flight end and are kept."""

    reason: str = "paused by request"


class DoneWork(BaseModel):
    """What a piece of work brought in a line that a reset has ended, kept for the new one.

    Attributes:
        node_id: the node.
        visit: which visit of it.
        digest: SHA-256 of what the work was given; another input is another work.
        result: dump of its ``NodeResult``.
        failure: why it failed for good, instead.
        usage: what it used of models before it failed.
    """

    node_id: str
    visit: int
    digest: str
    result: JsonObject = Field(default_factory=dict)
    failure: NodeFailure | None = None
    usage: Usage | None = None


class ChildSeed(BaseModel):
    """From where a child goes on that a replayed parent starts again.

    Attributes:
        node_id: the node that starts the child.
        visit: which visit of it.
        index: which item, in a map; which of the sub-agents that the visit has called.
        state: the child's engine state (``Engine.dump``) at the checkpoint that is replayed.
        map_id: Temporal id of the map that had the item: its other finished items are kept.
        input: of a sub-agent: what it was told, by which its call is known when the model calls in another order.
        graph: what ran at the checkpoint, should the child have moved to another version than its parent starts.
    """

    node_id: str
    visit: int
    index: int | None = None
    state: JsonObject
    map_id: str | None = None
    input: Json = None
    graph: GraphRef | None = None


class Resume(Command):
    """Go on, after applying the patches.

    Attributes:
        input_patch: RFC 7396 merge patch over the input.
        state_patch: RFC 7396 merge patch over the state.
        done: work of finished siblings that a replay keeps.
        seeds: children that go on from a checkpoint of theirs.
    """

    input_patch: Json = None
    state_patch: Json = None
    done: list[DoneWork] = Field(default_factory=list[DoneWork])
    seeds: list[ChildSeed] = Field(default_factory=list[ChildSeed])


class Patch(Command):
    """Change the input or the state of a paused execution; stays paused. Attributes as of ``Resume``."""

    input_patch: Json = None
    state_patch: Json = None
    done: list[DoneWork] = Field(default_factory=list[DoneWork])
    seeds: list[ChildSeed] = Field(default_factory=list[ChildSeed])


class Cancel(Command):
    """End the execution as cancelled; activities in flight are cancelled."""

    reason: str = "cancelled by request"


class Answer(Command):
    """A person's answer to an approval or a question that is open.

    Attributes:
        request_id: the approval's or question's id (see :mod:`cairn.contracts.requests`).
        value: {decision, by, reason, modified_arguments} of an approval; the answer of a question.
        by: who gave it.
    """

    request_id: str
    value: Json
    by: str = ""


class Migrate(Command):
    """Go on, when resumed, by another version of the graph; only when paused.

    Attributes:
        graph: the version.
        definition: its definition.
        pins: versions of the graphs that its nodes name.
    """

    graph: GraphRef
    definition: JsonObject
    pins: dict[str, GraphRef] = Field(default_factory=dict)


class OutsideEvent(BaseModel):
    """Payload of signal ``event``: something happened outside that ``wait`` nodes may wait for.

    Attributes:
        event_id: names the event; the same one sent again is ignored.
        lineage: a run id of the line it was meant for; another line ignores it.
        name: of the event.
        correlation: which of several waits for the name is meant; None meets only a wait that asks for none.
        payload: what the wait node returns.
    """

    event_id: str
    lineage: str
    name: str
    correlation: Json = None
    payload: Json = None


class ParentCommand(BaseModel):
    """Payload of signal ``parent``: the parent was paused or resumed, and so its children are."""

    kind: Literal["pause", "resume"]


class Accepted(BaseModel):
    """Reply to a command.

    Attributes:
        revision: the execution's revision after the command.
        phase: its state after the command.
        changed: False when the execution was already in that state and nothing happened.
    """

    revision: int
    phase: Phase
    changed: bool = True


class ExecutionStatus(BaseModel):
    """Reply to query ``status``.

    Attributes:
        requests: ids of the approvals and questions that are open, with what they ask.
    """

    phase: Phase
    detail: str | None = None
    lineage: str | None = None
    revision: int = 0
    landed: bool = False
    requests: dict[str, str] = Field(default_factory=dict)
