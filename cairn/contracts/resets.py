"""Payloads of the operation ``ResetExecution``: the reset, undoing effects before it, stopping children after it.

All of these are in histories: fields are only ever added, with defaults.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.executions import ChildSeed, Phase
from cairn.contracts.json import Json, JsonObject

ResetKind = Literal["replay", "rollback"]


class Compensated(BaseModel):
    """What became of one effect that a rollback went back over.

    Attributes:
        node_id: the node that had it.
        visit: which visit of the node, from 1.
        name: of the node.
        tool: what undoes it; None when the node declares no compensation.
        status: undone; the undo failed; nothing undoes it; or it is not known whether there was an effect.
        error: why it was not undone.
        execution_id: the child execution whose node it is; None for a node of the execution itself.
    """

    node_id: str
    visit: int
    name: str
    tool: str | None = None
    status: Literal["done", "failed", "skipped", "uncertain"]
    error: str | None = None
    execution_id: str | None = None


class ResetProgress(BaseModel):
    """What a ``ResetExecution`` has done that goes on in a new run of its own, as it undoes very much.

    Attributes:
        undone: what became of each effect, by its place.
        held: the execution was paused for it, or something was undone.
        round: how often it was asked what is to be undone.
        made: id of the run that the reset made, once it is made.
        stopped: Temporal ids of the children that it has stopped then.
    """

    undone: dict[str, Compensated] = Field(default_factory=dict[str, Compensated])
    held: bool = False
    round: int = 0
    made: str | None = None
    stopped: list[str] = Field(default_factory=list)


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
        requested_by: the user, or the key, that asked for it.
        tenant: owner of the execution.
        live: False for executions of a test key.
        run_id: the run that holds the checkpoint, when it is an earlier one than the base run (continue-as-new).
        reuse_completed: keep what finished siblings of the checkpoint's branch have brought.
        seeds: children that go on from a checkpoint of theirs, after a replay.
        progress: what an earlier run of the operation has done.
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
    tenant: str = ""
    live: bool = True
    run_id: str | None = None
    reuse_completed: bool = False
    seeds: list[ChildSeed] = Field(default_factory=list[ChildSeed])
    progress: ResetProgress | None = None


class ResetOutcome(BaseModel):
    """Result of the ``ResetExecution`` workflow.

    Attributes:
        run_id: the run that the reset made.
        revision: the execution's revision afterwards.
        phase: its state afterwards.
        compensations: what became of the effects that a rollback went back over, newest first.
    """

    run_id: str
    revision: int
    phase: Phase
    compensations: list[Compensated] = Field(default_factory=list[Compensated])


HOLD = 10.0
"""Seconds that a rollback waits for the end of work which it could then undo."""


class Undo(BaseModel):
    """The call of the tool that undoes what a node did.

    Attributes:
        node_id: the node.
        visit: which visit of it.
        name: of the node.
        lineage: the line of the execution in which the node had its effect.
        tool: what undoes it.
        arguments: evaluated over what the execution knew when the node had completed.
        timeout: seconds of one attempt.
        execution_id: the child execution whose node it is; None for a node of the execution itself.
        temporal_id: Temporal workflow id of that child execution.
    """

    node_id: str
    visit: int
    name: str
    lineage: str
    tool: str
    arguments: JsonObject = Field(default_factory=dict)
    timeout: float | None = None
    execution_id: str | None = None
    temporal_id: str | None = None

    @property
    def place(self) -> str:
        """Names the effect that it undoes; a line is a run of one execution."""
        return f"{self.lineage}/{self.node_id}/{self.visit}"


class RollbackStep(BaseModel):
    """One effect that a rollback goes back over: what undoes it, or why nothing does.

    Attributes:
        undo: the call to make; None when nothing can or need be called.
        outcome: what is to be reported of it without a call.
        at: when the work ended that had the effect; None while nobody knows of its end.
    """

    undo: Undo | None = None
    outcome: Compensated | None = None
    at: datetime | None = None


class PlanRequest(BaseModel):
    """Input of ``plan_rollback``.

    Attributes:
        round: how often it was asked in one operation, from 0.
        made: the reset was made: what the discarded line had begun until then is told, and nothing is held.
    """

    request: ResetRequest
    round: int = 0
    made: bool = False


class RollbackPlan(BaseModel):
    """Result of ``plan_rollback``.

    Attributes:
        steps: the effects to go back over, newest first.
        held: the execution was paused for it, at the expected revision.
    """

    steps: list[RollbackStep] = Field(default_factory=list[RollbackStep])
    held: bool = False


class UndoCall(BaseModel):
    """Input of ``undo``."""

    request: ResetRequest
    undo: Undo


class UndoFailed(BaseModel):
    """Input of ``note_failed_undo``: an undo that was given up."""

    request: ResetRequest
    undo: Undo
    error: str


class StopOrphans(BaseModel):
    """Input of ``stop_orphans``: a reset that was made, and the run that it made."""

    request: ResetRequest
    run_id: str


class Stopped(BaseModel):
    """Result of ``stop_orphans``: Temporal ids of the executions and maps that the ended line had started."""

    temporal_ids: list[str] = Field(default_factory=list)


PLAN_ROLLBACK = ActivityRef("plan_rollback", PlanRequest, RollbackPlan)
UNDO = ActivityRef("undo", UndoCall, Compensated)
NOTE_FAILED_UNDO = ActivityRef("note_failed_undo", UndoFailed, Compensated)
STOP_ORPHANS = ActivityRef("stop_orphans", StopOrphans, Stopped)
