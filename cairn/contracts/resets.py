"""Payloads of the operation ``ResetExecution`` beside the reset itself: undoing effects, stopping children.

All of these are in histories: fields are only ever added, with defaults.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.executions import Compensated, ResetRequest
from cairn.contracts.json import JsonObject

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
    """

    node_id: str
    visit: int
    name: str
    lineage: str
    tool: str
    arguments: JsonObject = Field(default_factory=dict)
    timeout: float | None = None

    @property
    def place(self) -> str:
        """Names the effect that it undoes."""
        return f"{self.lineage}/{self.node_id}/{self.visit}"


class RollbackStep(BaseModel):
    """One effect that a rollback goes back over: what undoes it, or why nothing does.

    Attributes:
        undo: the call to make; None when nothing can or need be called.
        outcome: what is to be reported of it without a call.
    """

    undo: Undo | None = None
    outcome: Compensated | None = None


class PlanRequest(BaseModel):
    """Input of ``plan_rollback``: ``round`` counts how often it was asked in one operation, from 0."""

    request: ResetRequest
    round: int = 0


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
