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
    """

    workflow_id: str
    version_id: int
    version: int
    digest: str


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
    """

    execution_id: str
    tenant: str
    live: bool = True
    graph: GraphRef
    input: Json = Field(default_factory=dict)
    metadata: JsonObject = Field(default_factory=dict)
    surface: str = "omium"


class Phase(StrEnum):
    """State of an execution as its workflow knows it; the value of search attribute ``CairnState``."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


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
    """

    code: str
    message: str
    node_id: str
    visit: int = 1
    attempt: int = 1
    cause: str | None = None


class ExecutionResult(BaseModel):
    """Result of the ``GraphExecution`` workflow."""

    output: Json = None


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


class Resume(Command):
    """Go on, after applying the patches.

    Attributes:
        input_patch: RFC 7396 merge patch over the input.
        state_patch: RFC 7396 merge patch over the state.
    """

    input_patch: Json = None
    state_patch: Json = None


class Patch(Command):
    """Change the input or the state of a paused execution; stays paused."""

    input_patch: Json = None
    state_patch: Json = None


class Cancel(Command):
    """End the execution as cancelled; activities in flight are cancelled."""

    reason: str = "cancelled by request"


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
    """Reply to query ``status``."""

    phase: Phase
    detail: str | None = None
    lineage: str | None = None
    revision: int = 0
    landed: bool = False


ResetKind = Literal["replay", "rollback"]


class ResetRequest(BaseModel):
    """Argument of the ``ResetExecution`` workflow, one durable reset.

    Attributes:
        operation_id: names this reset; it is the ``reason`` of the reset in Temporal's history.
        request_digest: digest of what the caller asked for; the same request rejoins a running operation.
        temporal_id: Temporal workflow id of the execution.
        base_run_id: the run that was current when the request was accepted.
        checkpoint_id: for the record.
        reset_event_id: the WorkflowTaskCompleted event to reset to.
        kind: replay goes on after the reset, rollback stays paused.
        expected_revision: refuse unless the execution is at this revision.
        input_patch: RFC 7396 merge patch over the input, applied after the reset.
        state_patch: RFC 7396 merge patch over the state, applied after the reset.
    """

    operation_id: str
    request_digest: str
    temporal_id: str
    execution_id: str
    base_run_id: str
    checkpoint_id: str
    checkpoint_name: str
    reset_event_id: int
    kind: ResetKind
    expected_revision: int | None = None
    input_patch: Json = None
    state_patch: Json = None
    requested_by: str = ""


class ResetOutcome(BaseModel):
    """Result of the ``ResetExecution`` workflow.

    Attributes:
        run_id: the run that the reset made.
        revision: the execution's revision afterwards.
        phase: its state afterwards.
    """

    run_id: str
    revision: int
    phase: Phase
