"""One execution of a graph. Thin: it feeds :class:`cairn.graph.engine.Engine` and does what the engine says.

Every reset of this workflow lands paused, whoever made it: see ``docs/adr`` and the engine. Changes of what it commands
need ``workflow.patched``: executions outlive deploys, and tests replay the histories in ``tests/histories``.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey, SearchAttributeUpdate
from temporalio.exceptions import ApplicationError, FailureError

from cairn.contracts import operations
from cairn.contracts.executions import (
    CLOSED,
    QUERY_STATUS,
    SIGNAL_ANSWER,
    SIGNAL_CANCELLING,
    SIGNAL_EVENT,
    SIGNAL_PARENT,
    UPDATE_ANSWER,
    UPDATE_CANCEL,
    UPDATE_MIGRATE,
    UPDATE_PATCH,
    UPDATE_PAUSE,
    UPDATE_RESUME,
    WORKFLOW_TYPE,
    Accepted,
    Answer,
    Cancel,
    Command,
    ExecutionInput,
    ExecutionResult,
    ExecutionStatus,
    Migrate,
    OutsideEvent,
    ParentCommand,
    Patch,
    Pause,
    Phase,
    Resume,
)
from cairn.contracts.json import digest
from cairn.graph.commands import check_command
from cairn.graph.compiled import GraphNotExecutable, compiled
from cairn.graph.engine import Engine
from cairn.graph.state import Wait
from workflows.cancellation import request_cancel
from workflows.clock import TaskClock
from workflows.details import details_of
from workflows.failures import failure_details, refusals_told
from workflows.work import WorkRunner

STATE = SearchAttributeKey.for_keyword(operations.SEARCH_STATE)
REVISION = SearchAttributeKey.for_int(operations.SEARCH_REVISION)

DETAIL_LENGTH = 1000


@workflow.defn(name=WORKFLOW_TYPE)
class GraphExecution:
    """The execution workflow."""

    @workflow.init
    def __init__(self, start: ExecutionInput) -> None:
        """Watch for resets before anything else happens."""
        self._engine = Engine(start, workflow.info().workflow_id)
        self._wake = False
        self._cancelled = False
        self._cancel_asked = False
        self._cancel_due = False
        self._cancel_seen = False
        self._resetting = False
        self._clock = TaskClock(self._engine)
        self._work = WorkRunner(self._engine, self._clock, self._awake)
        self._published: tuple[Phase, int, str | None] = (Phase.RUNNING, 0, None)
        # A reset gives the workflow a new random seed, in the first task of the new run and before anything else in it.
        workflow.register_random_seed_callback(self._on_reset)

    @workflow.run
    async def run(self, start: ExecutionInput) -> ExecutionResult:
        """Run the graph to its end."""
        drive = asyncio.create_task(self._drive(start))
        while True:
            try:
                return await asyncio.shield(drive)
            except asyncio.CancelledError:
                if drive.done():
                    raise
                self._cancel_seen = True
                # A cancellation that a reset brought along was meant for the line that the reset ended.
                if not self._resetting:
                    self._cancelled = self._wake = True

    # Commands.

    @workflow.update(name=UPDATE_PAUSE)
    def pause(self, command: Pause) -> Accepted:
        """Stop before the next node."""
        self._wake = True
        return self._engine.pause(command)

    @workflow.update(name=UPDATE_RESUME)
    def resume(self, command: Resume) -> Accepted:
        """Apply the patches and go on."""
        self._wake = True
        return self._engine.resume(command)

    @workflow.update(name=UPDATE_PATCH)
    def patch(self, command: Patch) -> Accepted:
        """Apply the patches and stay paused."""
        self._wake = True
        return self._engine.patch(command)

    @workflow.update(name=UPDATE_CANCEL)
    def cancel(self, command: Cancel) -> Accepted:
        """End as cancelled."""
        self._cancel_asked = self._wake = True
        return self._engine.cancelling()

    @workflow.update(name=UPDATE_ANSWER)
    def answer(self, command: Answer) -> Accepted:
        """Take a person's answer."""
        self._wake = True
        with refusals_told():
            return self._engine.answer(command, self._clock.now())

    @workflow.update(name=UPDATE_MIGRATE)
    def migrate(self, command: Migrate) -> Accepted:
        """Go on by another version of the graph."""
        self._wake = True
        with refusals_told():
            return self._engine.migrate(command)

    @workflow.signal(name=SIGNAL_EVENT)
    def hear(self, event: OutsideEvent) -> None:
        """Take an outside event."""
        self._engine.hear(event)
        self._wake = True

    @workflow.signal(name=SIGNAL_ANSWER)
    def said(self, answer: Answer) -> None:
        """Take an answer of an operator."""
        self._engine.said(answer)
        self._wake = True

    @workflow.signal(name=SIGNAL_PARENT)
    def told(self, command: ParentCommand) -> None:
        """Follow the parent."""
        self._engine.told(command)
        self._wake = True

    @workflow.signal(name=SIGNAL_CANCELLING)
    def cancelling(self) -> None:
        """Have the end come that was accepted in a task before."""
        self._cancel_due = self._wake = True

    @pause.validator
    def _check_pause(self, command: Pause) -> None:
        self._check(command)

    @resume.validator
    def _check_resume(self, command: Resume) -> None:
        self._check(command)

    @patch.validator
    def _check_patch(self, command: Patch) -> None:
        self._check(command)

    @cancel.validator
    def _check_cancel(self, command: Cancel) -> None:
        self._check(command)

    @answer.validator
    def _check_answer(self, command: Answer) -> None:
        self._check(command)

    @migrate.validator
    def _check_migrate(self, command: Migrate) -> None:
        self._check(command)

    @workflow.query(name=QUERY_STATUS)
    def status(self) -> ExecutionStatus:
        """Where the execution stands, for operators and the command line of Temporal."""
        engine = self._engine
        return ExecutionStatus(
            phase=engine.phase,
            detail=engine.detail,
            lineage=engine.lineage,
            revision=engine.revision,
            landed=engine.lineage is not None,
            requests=self._requests(),
        )

    def _requests(self) -> dict[str, str]:
        works = self._engine.state.in_flight.values() if self._engine.started else ()
        waits = (work.run for work in works if isinstance(work.run, Wait))
        return {wait.request_id: wait.data["prompt"] for wait in waits if wait.request_id is not None}

    def _check(self, command: Command) -> None:
        with refusals_told():
            check_command(self._engine, command, self._clock.now())

    # The loop.

    def _on_reset(self, _seed: int) -> None:
        self._engine.reset()
        self._resetting = self._wake = True
        self._cancelled = self._cancel_asked = self._cancel_due = False

    def _awake(self) -> None:
        self._wake = True

    async def _drive(self, start: ExecutionInput) -> ExecutionResult:
        engine = self._engine
        gathered = False
        while True:
            while engine.lineage is None:
                await self._land(start)
                gathered = False
            if engine.state.engine > 1 and not gathered:
                # All that this workflow task tells is taken before the one turn that answers to it: a condition is
                # looked at when nothing else can go on.
                self._wake = True
                await self._sleep()
            info = workflow.info()
            length, size = info.get_current_history_length(), info.get_current_history_size()
            self._clock.seen()
            turn = engine.turn(self._clock.now(), length, info.is_continue_as_new_suggested(), size)
            self._work.start(turn.works)
            self._work.wake_at(turn.wake_at)
            self._work.drop()
            self._work.tell(turn.notices)
            going = turn.go_on and self._work.quiet and not self._cancelled and not self._cancel_asked
            if going and self._published == self._shown():
                self._go_on(start)
            if self._cancelled:
                engine.phase, engine.detail = Phase.CANCELLED, "cancelled by request"
            elif self._cancel_asked or self._cancel_due:
                await self._request_cancel()
            await self._publish()
            # A cancellation may have come while this workflow asked for it: what woke it then is past.
            if self._wake or going or ((self._cancelled or self._cancel_due) and engine.phase not in CLOSED):
                gathered = False
                continue
            if engine.phase in CLOSED:
                return await self._close()
            await self._sleep()
            gathered = True

    async def _sleep(self) -> None:
        """Wait until something happens."""
        try:
            await workflow.wait_condition(lambda: self._wake or self._clock.ticked())
        except asyncio.CancelledError:
            # The SDK raises a cancellation here, too, when something else woke us in the same workflow task; it is
            # ``run`` that decides whether to heed it. Not awake: the worker lets go of this workflow.
            if not self._wake:
                raise

    async def _land(self, start: ExecutionInput) -> None:
        """Find out in which run this is, and get the graph the first time."""
        self._wake = False
        first = not self._engine.started
        landing = await workflow.execute_local_activity(
            operations.LAND.name,
            operations.LandRequest(
                temporal_id=workflow.info().workflow_id,
                execution_id=start.execution_id,
                tenant=start.tenant,
                original_run_id=workflow.info().original_execution_run_id,
                graph=start.graph if first else None,
                engine=operations.ENGINE,
                start=start.model_copy(update={"carry": None, "seed": None}) if first and start.parent else None,
                pin=first and start.parent is None and start.carry is None and start.seed is None,
            ),
            result_type=operations.LAND.output,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30)),
            summary="start" if first else "reset",
        )
        if first:
            if landing.definition is None or digest(landing.definition) != start.graph.digest:
                raise ApplicationError("the graph's definition does not match its digest", type="graph_digest")
            try:
                self._engine.begin(compiled(landing.definition, start.graph.digest), landing)
            except GraphNotExecutable as error:
                raise ApplicationError(str(error), type="graph_not_executable", non_retryable=True) from error
        if self._wake and self._resetting and not first:
            return  # reset again meanwhile: this landing was the earlier one's
        anew = landing.reset and self._engine.state.engine > 8
        if landing.reset:
            self._cancelled, self._cancel_asked, self._cancel_due = anew and landing.cancelled, False, False
        self._resetting = False
        self._clock.landed()
        before = self._shown()
        self._engine.landed(landing)
        if first and start.carry is not None:
            self._published = before if anew else self._shown()
            self._work.rejoin(after_reset=anew)
        elif landing.reset:
            self._work.watch_children(after_reset=True)
        if anew:  # the line that ended may have told children of a resume that this one does not know
            self._published = (Phase.RUNNING, *self._published[1:])

    def _go_on(self, start: ExecutionInput) -> None:
        """Continue in a new run, with a history that is short again."""
        engine = self._engine
        engine.state.notices += self._work.untold()
        carry = {"carry": engine.dump(), "seed": None, "graph": engine.ref, "pins": engine.state.pins}
        # With Worker Versioning a run stays with the version that began it; a new run may begin with the newest.
        newest = workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE
        workflow.continue_as_new(start.model_copy(update=carry), initial_versioning_behavior=newest)

    async def _request_cancel(self) -> None:
        """Go on with a cancellation that was accepted: in this task or, once that was announced, in one before."""
        accepted_now, self._cancel_asked, self._cancel_due = self._cancel_asked, False, False
        if accepted_now and self._cancel_seen:  # Temporal cancels a run once; that one came with a reset, not heeded
            self._cancelled = self._wake = True
        elif accepted_now or self._engine.cancels:  # else the command was lost with its task
            self._clock.hold()
            await request_cancel(announce=accepted_now and self._engine.state.engine > 7)

    async def _publish(self) -> None:
        """Show a change of state to operators (search attributes, details) and to lists (the execution's row)."""
        self._wake = False
        engine = self._engine
        shown = self._shown()
        workflow.set_current_details(details_of(engine))
        self._work.tell_call()
        if shown == self._published:
            return
        (phase, revision, detail), self._published = self._published, shown
        if phase != engine.phase and Phase.PAUSED in (phase, engine.phase) and engine.phase not in CLOSED:
            self._work.tell_children(engine.phase)
        changes: list[SearchAttributeUpdate[Any]] = []
        if phase != engine.phase:
            changes.append(STATE.value_set(engine.phase.value))
        if revision != engine.revision:
            changes.append(REVISION.value_set(engine.revision))
        if changes:
            workflow.upsert_search_attributes(changes)
        if detail != engine.detail:
            workflow.upsert_memo({operations.MEMO_DETAIL: engine.detail and engine.detail[:DETAIL_LENGTH]})
        await self._record()

    def _shown(self) -> tuple[Phase, int, str | None]:
        return self._engine.phase, self._engine.revision, self._engine.detail

    async def _record(self) -> None:
        engine = self._engine
        info = workflow.info()
        record = operations.Record(
            temporal_id=info.workflow_id,
            execution_id=engine.start.execution_id,
            tenant=engine.start.tenant,
            run_id=info.run_id,
            phase=engine.phase,
            detail=engine.detail,
            revision=engine.revision,
            output=engine.state.output if engine.phase is Phase.COMPLETED else None,
            error=engine.failure if engine.phase is Phase.FAILED else None,
            usage=engine.state.usage,
        )
        self._clock.hold()
        try:
            await workflow.execute_local_activity(
                operations.RECORD.name,
                record,
                result_type=operations.RECORD.output,
                schedule_to_close_timeout=timedelta(seconds=5),
                summary=engine.phase.value,
            )
        except FailureError:  # wrapped or bare: the SDK tells of a local activity otherwise in a replay
            # Lists are a projection: the reconciler repairs what could not be written now.
            workflow.logger.warning("the state of the execution could not be recorded", exc_info=True)

    async def _close(self) -> ExecutionResult:
        """End the workflow as the engine says. Raises what makes it failed or cancelled."""
        for task in list(self._work.tasks.values()):
            task.cancel()
        if self._engine.state.engine > 1:
            self._work.stop(self._engine.open_children())
            await self._work.settled()
        if self._engine.phase is Phase.CANCELLED:
            raise asyncio.CancelledError
        failure = self._engine.failure
        if failure is not None:
            raise ApplicationError(
                f"{failure.message} (attempt {failure.attempt})",
                failure_details(failure, self._engine.state.usage),
                type=failure.code,
                non_retryable=True,
            )
        usage = self._engine.state.usage
        return ExecutionResult(output=self._engine.state.output, usage=usage if usage.requests else None)
