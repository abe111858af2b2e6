"""One reset of an execution, as a durable operation of its own: it is made once and ends, whatever dies meanwhile."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from cairn.contracts.operations import AFTER_RESET, MAKE_RESET, RESET_WORKFLOW_TYPE, ResetMade, ResumeAfterReset
from cairn.contracts.resets import (
    NOTE_FAILED_UNDO,
    PLAN_ROLLBACK,
    STOP_ORPHANS,
    UNDO,
    Compensated,
    PlanRequest,
    ResetOutcome,
    ResetProgress,
    ResetRequest,
    RollbackPlan,
    StopOrphans,
    Stopped,
    Undo,
    UndoCall,
    UndoFailed,
)

RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))
UNDO_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10), maximum_attempts=5
)
"""An undo that fails so often is reported, and the rollback goes on."""

HEARTBEAT = timedelta(seconds=10)
"""After so long a worker that died costs the operation no more time."""

ROUNDS = 10
WHOLE = "compensations-and-children"
"""Patch: operations that began before it neither undo effects nor stop children."""

BELOW = "compensations-below"
"""Patch: operations that were stopping children before it do not look at what these have done until they ended."""

LONG = "long-compensations"
"""Patch: operations before it do not go on in a new run."""


@workflow.defn(name=RESET_WORKFLOW_TYPE)
class ResetExecution:
    """The reset: a rollback's undos first, then Temporal's own, then what follows it (resume, patches)."""

    def __init__(self) -> None:
        """Begin."""
        self._progress = ResetProgress()

    @workflow.run
    async def run(self, request: ResetRequest) -> ResetOutcome:
        """Make the reset and wait until it has landed."""
        self._progress = request.progress or self._progress
        request = request.model_copy(update={"progress": None})  # activities are not concerned with it
        if not workflow.patched(WHOLE):
            return await self._follow(request, (await self._make(request)).run_id, [], [])
        undoes, made = request.kind == "rollback", self._progress.made
        if made is None:
            compensations = await self._compensate(request) if undoes else []
            # What was undone must not be left without its reset: from there on the revision is not asked for.
            pinned = request.model_copy(update={"expected_revision": None}) if self._progress.held else request
            made = (await self._make(pinned)).run_id
            stopped = await self._stop(request, made)
            self._progress = self._progress.model_copy(update={"made": made, "stopped": stopped})
        else:
            compensations, stopped = [], self._progress.stopped
        if undoes and stopped and workflow.patched(BELOW):
            # They are stopped, and may have done more before they were, or have been started since the first look.
            compensations = await self._compensate(request)
        return await self._follow(request, made, compensations, stopped)

    async def _stop(self, request: ResetRequest, run_id: str) -> list[str]:
        stopped: Stopped = await workflow.execute_activity(
            STOP_ORPHANS.name,
            StopOrphans(request=request, run_id=run_id),
            result_type=STOP_ORPHANS.output,
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
            summary="stop children",
        )
        return stopped.temporal_ids

    async def _make(self, request: ResetRequest) -> ResetMade:
        return await workflow.execute_activity(
            MAKE_RESET.name,
            request,
            result_type=MAKE_RESET.output,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
            summary=f"reset to {request.checkpoint_name}",
        )

    async def _follow(
        self, request: ResetRequest, run_id: str, compensations: list[Compensated], stopped: list[str]
    ) -> ResetOutcome:
        return await workflow.execute_activity(
            AFTER_RESET.name,
            ResumeAfterReset(request=request, run_id=run_id, compensations=compensations, stopped=stopped),
            result_type=AFTER_RESET.output,
            start_to_close_timeout=timedelta(days=30),
            heartbeat_timeout=timedelta(seconds=15),
            retry_policy=RETRY,
            summary="wait for it to land" if request.kind == "rollback" else "resume",
        )

    async def _compensate(self, request: ResetRequest) -> list[Compensated]:
        """Undo what the rollback goes back over, newest first, until nothing is left; return what became of it."""
        undone = self._progress.undone
        plan = await self._plan(request)
        for _ in range(1, ROUNDS):
            due = [step.undo for step in plan.steps if step.undo and step.undo.place not in undone]
            if not due:
                break
            self._progress.held = True
            for undo in due:
                undone[undo.place] = await self._undo(request, undo)
                if is_long() and workflow.patched(LONG):
                    workflow.continue_as_new(request.model_copy(update={"progress": self._progress}))
            # Somebody may have resumed the execution, and what was in flight may have ended.
            plan = await self._plan(request)
        outcomes = [undone.get(step.undo.place) if step.undo else step.outcome for step in plan.steps]
        return [outcome for outcome in outcomes if outcome is not None]

    async def _plan(self, request: ResetRequest) -> RollbackPlan:
        number, self._progress.round = self._progress.round, self._progress.round + 1
        plan: RollbackPlan = await workflow.execute_activity(
            PLAN_ROLLBACK.name,
            PlanRequest(request=request, round=number, made=self._progress.made is not None),
            result_type=PLAN_ROLLBACK.output,
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
            summary="what is to be undone",
        )
        self._progress.held = self._progress.held or plan.held
        return plan

    async def _undo(self, request: ResetRequest, undo: Undo) -> Compensated:
        try:
            return await workflow.execute_activity(
                UNDO.name,
                UndoCall(request=request, undo=undo),
                result_type=UNDO.output,
                start_to_close_timeout=timedelta(seconds=undo.timeout or 300),
                heartbeat_timeout=timedelta(seconds=15),
                retry_policy=UNDO_RETRY,
                summary=f"undo {undo.name}",
            )
        except ActivityError as error:
            return await workflow.execute_activity(
                NOTE_FAILED_UNDO.name,
                UndoFailed(request=request, undo=undo, error=_message(error)),
                result_type=NOTE_FAILED_UNDO.output,
                start_to_close_timeout=timedelta(seconds=30),
                retry_policy=RETRY,
                summary=f"{undo.name} was not undone",
            )


def is_long() -> bool:
    """Whether the operation is to go on in a new run."""
    return workflow.info().is_continue_as_new_suggested()


def _message(error: ActivityError) -> str:
    cause = error.cause
    return getattr(cause, "message", None) or str(cause or error)
