"""What the engine commands, done in Temporal: activities, timers, child executions, and telling people."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from cairn.contracts import operations
from cairn.contracts.children import MAP_WORKFLOW_TYPE, WATCH_CHILD, MapInput, MapResult, WatchedChild
from cairn.contracts.executions import (
    SIGNAL_PARENT,
    WORKFLOW_TYPE,
    ExecutionInput,
    ExecutionResult,
    Parent,
    ParentCommand,
    Phase,
)
from cairn.contracts.nodes import NodeCall, NodeResult
from cairn.contracts.requests import CLOSE_REQUEST, OPEN_REQUEST, CloseRequest, OpenRequest
from cairn.graph.engine import Engine
from cairn.graph.state import Child, Notice, Run, Wait, Work
from workflows.calls import CallTeller, record_call
from workflows.clock import TaskClock
from workflows.failures import child_failure, child_result, end_taken, held, is_cancelled, is_parked, node_failure
from workflows.search_attributes import execution_attributes

HEARTBEAT_TIMEOUT = timedelta(seconds=15)
UNLIMITED = timedelta(days=365)
MAP_CHUNK = 100
"""Items of one child workflow of a map."""
_PATIENT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))


class WorkRunner:
    """The work under way of one execution.

    Attributes:
        tasks: what carries out each piece of work, by key.
    """

    def __init__(self, engine: Engine, clock: TaskClock, wake: Callable[[], None]) -> None:
        """Take the engine that is told what comes of the work, its clock, and what wakes the workflow afterwards."""
        self.engine = engine
        self.clock = clock
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._wake = wake
        self._aside: set[asyncio.Task[None]] = set()
        self._asking: dict[str, list[tuple[asyncio.Task[None], Notice]]] = {}
        self._acknowledged: set[str] = set()
        self._children: dict[str, Child] = {}
        self._calls = CallTeller(engine)
        self._alarm: tuple[datetime, asyncio.Task[None]] | None = None

    def start(self, works: Iterable[Work]) -> None:
        """Begin work."""
        for work in works:
            match work:
                case Run():
                    self.tasks[work.key] = asyncio.create_task(self._run(work))
                case Wait():
                    self._keep_time(work)
                case Child():
                    self._keep_time(work)
                    self._children[work.key] = work
                    self.tasks[work.key] = asyncio.create_task(self._child(work))

    def rejoin(self, after_reset: bool = False) -> None:
        """Take up the waits and children that an earlier run of the execution began."""
        for work in self.engine.carried():
            if isinstance(work, Wait | Child):
                self._keep_time(work)
            if isinstance(work, Child):
                self._acknowledged.add(work.key)
        self.watch_children(after_reset)

    def watch_children(self, after_reset: bool = False) -> None:
        """Wait for open children in a way that a reset cannot break: Temporal may lose the end of one over a reset."""
        for child in self.engine.open_children():
            name = f"watch:{child.key}"
            if name not in self.tasks:
                self._children[child.key] = child
                self.tasks[name] = asyncio.create_task(self._watch(child, name, after_reset))

    def drop(self) -> None:
        """Cancel what is no longer wanted."""
        in_flight = self.engine.state.in_flight
        for name in [n for n in self.tasks if n.removeprefix("watch:").removeprefix("clock:") not in in_flight]:
            self.tasks.pop(name).cancel()
        self.stop([self._children.pop(key) for key in list(self._children) if key not in in_flight])

    def stop(self, children: Iterable[Child]) -> None:
        """Cancel children that nobody waits for any more."""
        for child in children:
            self.aside(self._cancel_child(child))

    def tell_children(self, kind: Phase) -> None:
        """Pause or resume the open children with their parent."""
        command = ParentCommand(kind="pause" if kind is Phase.PAUSED else "resume")
        for child in self.engine.open_children():
            self.aside(self._signal_child(child, command))

    def tell(self, notices: Iterable[Notice]) -> None:
        """Tell people of their requests. What is over need not be told any more, however long its URL is silent."""
        for notice in notices:
            request_id = notice.wait.request_id or ""
            if notice.status is not None:
                for task, _ in self._asking.pop(request_id, ()):
                    task.cancel()
                self.aside(self._tell(notice))
            else:
                task = asyncio.create_task(self._tell(notice))
                self._asking.setdefault(request_id, []).append((task, notice))

    def tell_call(self) -> None:
        """Have it written down how a call ended, or what more is known of it."""
        told = self._calls.due()
        if told is not None:
            self.aside(record_call(told))

    def untold(self) -> list[Notice]:
        """Return what people are still being told: another run of the execution has to tell it anew."""
        return [notice for told in self._asking.values() for task, notice in told if not task.done()]

    def aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that the engine does not wait for."""
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside_done)

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way but waits and children."""
        kinds = {key: work.run.kind for key, work in self.engine.state.in_flight.items()}
        starting = [key for key, kind in kinds.items() if kind == "child" and key not in self._acknowledged]
        return not (self._aside or starting or any(kinds.get(key) == "run" for key in self.tasks))

    async def settled(self) -> None:
        """Wait until nothing is done aside any more."""
        await workflow.wait_condition(lambda: not self._aside)

    def _aside_done(self, task: asyncio.Task[None]) -> None:
        self._aside.discard(task)
        self._wake()

    async def _run(self, run: Run) -> None:
        """Have one activity do its work and tell the engine."""
        try:
            result: NodeResult = await workflow.execute_activity(
                run.activity,
                self._call(run),
                result_type=NodeResult,
                activity_id=run.key,
                start_to_close_timeout=timedelta(seconds=run.timeout) if run.timeout else UNLIMITED,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(seconds=run.retry.initial_interval),
                    backoff_coefficient=run.retry.backoff,
                    maximum_interval=timedelta(seconds=max(run.retry.max_interval, run.retry.initial_interval)),
                    maximum_attempts=run.retry.max_attempts,
                    non_retryable_error_types=run.retry.non_retryable,
                ),
                summary=run.summary,
            )
            self.engine.complete(run.key, result)
        except ActivityError as error:
            if is_parked(error.cause):
                self.engine.park(run.key)
            elif (reason := held(error.cause, self.engine.state.engine)) is not None:
                self.engine.hold(run.key, reason)
            elif not is_cancelled(error.cause):
                self.engine.fail(run.key, node_failure(run, error.cause, error.retry_state))
        finally:
            self.tasks.pop(run.key, None)
            self._wake()

    def _call(self, run: Run) -> NodeCall:
        info, start = workflow.info(), self.engine.start
        return NodeCall(
            execution_id=start.execution_id,
            temporal_id=info.workflow_id,
            tenant=start.tenant,
            live=start.live,
            run_id=info.run_id,
            lineage=self.engine.lineage or "",
            node_id=run.node_id,
            visit=run.visit,
            data=run.data,
            timeout=run.timeout,
            call=run.call,
        )

    # Waits.

    def wake_at(self, time: datetime | None) -> None:
        """Have the workflow look again at a time, should nothing wake it before."""
        if time is not None and (self._alarm is None or self._alarm[0] != time):
            self._alarm = time, asyncio.create_task(self._wake_at([time], "go on"))

    def _keep_time(self, work: Wait | Child) -> None:
        escalate_at = work.escalate_at if isinstance(work, Wait) else None
        times = [time for time in (escalate_at, work.deadline) if time is not None]
        if times:
            name = work.key if isinstance(work, Wait) else f"clock:{work.key}"
            self.tasks[name] = asyncio.create_task(self._wake_at(sorted(times), work.summary))

    async def _wake_at(self, times: list[datetime], summary: str) -> None:
        """Wake the workflow at each of the times; it sees for itself what is overdue."""
        for time in times:
            while (left := time - self.clock.now()) > timedelta(0):
                await workflow.sleep(left, summary=summary)
            self._wake()

    async def _tell(self, notice: Notice) -> None:
        wait, start = notice.wait, self.engine.start
        request_id = wait.request_id or ""
        if notice.status is None:
            kind = "escalate" if notice.escalated else "open"
            name, argument = OPEN_REQUEST.name, self._request(notice)
        else:
            kind, name = "close", CLOSE_REQUEST.name
            argument = CloseRequest(
                request_id=request_id, tenant=start.tenant, status=notice.status, by=notice.by, value=notice.value
            )
        try:
            await workflow.execute_activity(
                name,
                argument,
                result_type=operations.Nothing,
                activity_id=f"{kind}:{request_id}",
                start_to_close_timeout=timedelta(seconds=60),
                # The end of the execution closes what could not be closed before.
                schedule_to_close_timeout=timedelta(minutes=5) if kind == "close" else None,
                retry_policy=_PATIENT,
                summary=f"{kind} {wait.summary}",
            )
        except ActivityError as error:
            if not is_cancelled(error.cause):
                workflow.logger.warning("people could not be told of a request", exc_info=True)

    def _request(self, notice: Notice) -> OpenRequest:
        wait, start, info = notice.wait, self.engine.start, workflow.info()
        return OpenRequest(
            request_id=wait.request_id or "",
            kind="question" if wait.what == "question" else "approval",
            execution_id=start.execution_id,
            temporal_id=info.workflow_id,
            tenant=start.tenant,
            live=start.live,
            run_id=info.run_id,
            lineage=self.engine.lineage or "",
            node_id=wait.node_id,
            visit=wait.visit,
            prompt=wait.data.get("prompt", ""),
            assignees=wait.data.get("assignees", []),
            schema_=wait.data.get("schema"),
            tool=wait.data.get("tool"),
            arguments=wait.data.get("arguments"),
            expires_at=wait.deadline,
            notify=wait.data.get("notify"),
            escalated=notice.escalated,
            escalated_to=wait.data["escalate"]["assignees"] if notice.escalated else [],
        )

    # Children.

    async def _child(self, child: Child) -> None:
        """Run a child and tell the engine what came of it. Cancelling this does not cancel the child: see ``stop``."""
        start = self._child_input(child)
        try:
            handle: workflow.ChildWorkflowHandle[Any, Any] = await workflow.start_child_workflow(
                MAP_WORKFLOW_TYPE if child.map else WORKFLOW_TYPE,
                self._map_input(child, start) if child.map else start,
                id=child.temporal_id,
                result_type=MapResult if child.map else ExecutionResult,
                parent_close_policy=ParentClosePolicy.ABANDON,
                search_attributes=execution_attributes(start),
                static_summary=child.summary,
            )
            handle.add_done_callback(end_taken)
            self._acknowledged.add(child.key)
            self._wake()
            result = await asyncio.shield(handle)
            self._children.pop(child.key, None)
            self.engine.complete(child.key, child_result(child, result))
        except ChildWorkflowError as error:
            self._children.pop(child.key, None)
            self.engine.child_failed(child.key, child_failure(child, error.cause))
        except WorkflowAlreadyStartedError:
            self.watch_children()
        finally:
            self._acknowledged.add(child.key)
            self.tasks.pop(child.key, None)
            self._wake()

    async def _watch(self, child: Child, name: str, after_reset: bool) -> None:
        """Wait by an activity for a child that Temporal may not tell this run of."""
        run = Run(
            key=name,
            node_id=child.node_id,
            visit=child.visit,
            summary=child.summary,
            activity=WATCH_CHILD.name,
            data=WatchedChild(
                temporal_id=child.temporal_id,
                map=child.map,
                collect=child.data.get("on_error") == "collect",
                after_reset=after_reset,
            ).model_dump(),
            timeout=None,
            retry=self.engine.graph.nodes[child.node_id].data.retry,
        )
        again = False
        try:
            result: NodeResult = await workflow.execute_activity(
                run.activity,
                self._call(run),
                result_type=NodeResult,
                # Not the run's id: what a reset replays has the id of the run before.
                activity_id=f"{name}:{self.engine.lineage}",
                start_to_close_timeout=UNLIMITED,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=_PATIENT,
                summary=f"wait for {child.summary}",
            )
            self._children.pop(child.key, None)
            self.engine.complete(child.key, result)
        except ActivityError as error:
            # A reset dispatched it: when this run has landed before, that has not begun to watch anew.
            again = is_parked(error.cause) and self.engine.lineage is not None and self.engine.state.engine > 8
            if not is_parked(error.cause) and not is_cancelled(error.cause):
                self._children.pop(child.key, None)
                self.engine.child_failed(child.key, child_failure(child, error.cause))
        finally:
            self.tasks.pop(name, None)
            self._wake()
        if again:
            self.watch_children(after_reset=True)

    async def _cancel_child(self, child: Child) -> None:
        await workflow.wait_condition(lambda: child.key in self._acknowledged)
        with contextlib.suppress(ApplicationError):  # it was never started, or is gone
            await workflow.get_external_workflow_handle(child.temporal_id).cancel()

    async def _signal_child(self, child: Child, command: ParentCommand) -> None:
        await workflow.wait_condition(lambda: child.key in self._acknowledged)
        with contextlib.suppress(ApplicationError):  # it has ended
            await workflow.get_external_workflow_handle(child.temporal_id).signal(SIGNAL_PARENT, command)

    def _child_input(self, child: Child) -> ExecutionInput:
        engine, start = self.engine, self.engine.start
        return ExecutionInput(
            execution_id=child.temporal_id,
            tenant=start.tenant,
            live=start.live,
            graph=child.graph,
            input=(child.given or child.data).get("input", engine.state.input),
            metadata=start.metadata,
            surface=start.surface,
            parent=Parent(
                execution_id=start.execution_id,
                temporal_id=workflow.info().workflow_id,
                node_id=child.node_id,
                visit=child.visit,
                key=child.key,
                index=child.index,
                depth=engine.state.depth + 1,
                agents=child.agents,
            ),
            pins=engine.state.pins,
            seed=child.seeds[0].state if child.seeds and not child.map else None,
        )

    def _map_input(self, child: Child, start: ExecutionInput) -> MapInput:
        return MapInput(
            execution=start,
            items=child.data["items"],
            by_item=not child.graph.body,
            concurrency=child.data["concurrency"],
            on_error=child.data["on_error"],
            chunk=MAP_CHUNK,
            lineage=self.engine.lineage or "",
            seeds=child.seeds,
            previous=next((seed.map_id for seed in child.seeds if seed.map_id is not None), None),
            name=child.summary,
        )
