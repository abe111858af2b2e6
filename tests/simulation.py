"""A workflow and its server in memory: the engine driven as the workflow drives it, and the history that it leaves."""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from programs import value_of
from temporalio.exceptions import ApplicationError, RetryState

from cairn.contracts.children import ItemResult, MapResult
from cairn.contracts.executions import (
    Answer,
    Cancel,
    Command,
    ExecutionInput,
    ExecutionResult,
    GraphRef,
    OutsideEvent,
    Pause,
    Phase,
    Resume,
    Usage,
)
from cairn.contracts.json import JsonObject
from cairn.contracts.nodes import OVER_BUDGET, PARKED, RUN_SEGMENT, NodeResult
from cairn.contracts.operations import ENGINE, Landing
from cairn.graph.commands import check_command
from cairn.graph.compiled import compile_graph
from cairn.graph.engine import Engine
from cairn.graph.segments import Segment
from cairn.graph.state import Child, Run, Wait
from cairn.temporal.checkpoints import Projection
from cairn.temporal.ended import Ended
from cairn.temporal.events import (
    ChildCompleted,
    ChildFailed,
    Commanded,
    Event,
    Landed,
    News,
    Signalled,
    Started,
    TaskCompleted,
    TaskStarted,
    WasReset,
    WorkCompleted,
    WorkFailed,
    WorkScheduled,
)
from workflows.failures import child_failure, child_result, held, is_parked, node_failure

REF = GraphRef(workflow_id="w", version_id=1, version=1, digest="d")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Task:
    """One workflow task: what it told the workflow."""

    completed: int
    now: datetime
    seen: list[Ended] = field(default_factory=list)
    signals: list[OutsideEvent] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    reset: bool = False
    landing: Landing | None = None


class Simulation:
    """One execution.

    Attributes:
        engine: as the workflow has it.
        events: the history of the present run.
        scheduled: event ids of the activities under way, by key.
    """

    def __init__(self, definition: JsonObject, order: random.Random) -> None:
        self.definition = definition
        self.order = order
        self.runs = 1
        self.now = BEGIN
        pins = {"other": REF, "agent": REF.model_copy(update={"workflow_id": "agent"})}
        self.start = ExecutionInput(execution_id="exec_1", tenant="acme", graph=REF, pins=pins)
        self.events: list[Event] = []
        self.tasks: list[Task] = []
        self.scheduled: dict[str, int] = {}
        self.engine = Engine(self.start, "exec_1")
        self._next = 1
        self._heard = 0
        self._add(Started, self.start, "run1", "exec_1")
        self._pending: list[Ended] = []
        self._signals: list[OutsideEvent] = []
        self.task()

    def _add(self, kind, *args) -> int:
        self.events.append(kind(self._next, self.now, *args))
        self._next += 1
        return self._next - 1

    @property
    def line(self) -> str:
        return f"run{self.runs}"

    # What happens outside.

    def end_work(self, key: str) -> None:
        """A piece of work ends as the model says."""
        work = self.engine.state.in_flight[key].run
        if isinstance(work, Child) and work.data["workflow_id"] == "agent":
            self._pending.append(self._answered(work))
            return
        if isinstance(work, Child):
            made = MapResult(items=[ItemResult(), ItemResult()]) if work.map else None
            result = made or ExecutionResult(output={"total": value_of(work.node_id, work.visit)})
            self._pending.append(self._ended(ChildCompleted, work.temporal_id, result))
            return
        assert isinstance(work, Run)
        if work.data.get("tool") == "fail":
            cause = ApplicationError("planned", type="planned", non_retryable=True)
            state = RetryState.NON_RETRYABLE_FAILURE
            self._pending.append(self._ended(WorkFailed, self.scheduled.pop(key), cause, state))
            return
        self._pending.append(self._ended(WorkCompleted, self.scheduled.pop(key), self._result(work)))

    def _answered(self, work: Child) -> Ended:
        """Return how a sub-agent ends: the first of two fails, the other has an answer."""
        if work.summary.endswith("one"):
            return self._ended(ChildFailed, work.temporal_id, ApplicationError("planned", type="planned"))
        usage = Usage(requests=1, input_tokens=2, output_tokens=3, cost=0.5)
        return self._ended(ChildCompleted, work.temporal_id, ExecutionResult(output={"content": "yes"}, usage=usage))

    def hold_work(self, key: str) -> None:
        """A piece of work may ask no model: the monthly budget is used up."""
        if key in self.scheduled:
            cause = ApplicationError("used up", type=OVER_BUDGET, non_retryable=True)
            state = RetryState.NON_RETRYABLE_FAILURE
            self._pending.append(self._ended(WorkFailed, self.scheduled.pop(key), cause, state))

    def _result(self, work: Run) -> NodeResult:
        if work.activity == RUN_SEGMENT.name:
            return self._segment(work)
        if work.activity != "call_model":
            return NodeResult(value=value_of(work.node_id, work.visit))
        if "subagents" in work.data and not work.data["results"]:
            told = [("one", {"message": "?"}), ("two", {"message": "?", "context": "!"}), ("give", {})]
            calls = [{"id": name, "tool": name, "arguments": arguments} for name, arguments in told]
            return NodeResult(value={"history": "h1", "calls": calls})
        if work.data["results"]:
            if "subagents" in work.data:
                failed, answered, given = work.data["results"]
                assert "planned" in failed["error"] and answered["value"] == "yes" and "value" in given
            return NodeResult(value={"history": "h2", "answer": value_of(work.node_id, work.visit)})
        return NodeResult(value={"history": "h1", "calls": [{"id": "1", "tool": "give", "arguments": {}}]})

    def _segment(self, work: Run) -> NodeResult:
        """Return what the activity gives that runs a stretch of nodes."""
        segment = Segment(compile_graph(self.definition), deepcopy(work.data))
        while (inside := segment.next()) is not None:
            segment.complete(inside, self._result(inside))
        done = [each.model_dump(mode="json", exclude_none=True) for each in segment.done]
        return NodeResult(value={"done": done, "checkpoint": segment.checkpoint, "node_id": segment.last})

    def _ended(self, kind, *args) -> Ended:
        self._add(kind, *args)
        return self.events[-1]  # type: ignore[return-value]

    def send(self, name: str, correlation: int, payload: int) -> None:
        """An outside event comes, perhaps before anybody waits for it."""
        self._heard += 1
        event = OutsideEvent(
            event_id=f"e{self._heard}", lineage=self.line, name=name, correlation=correlation, payload=payload
        )
        self._add(Signalled, event)
        self._signals.append(event)

    def wait(self, seconds: float) -> None:
        """Time passes, and a timer fires."""
        self.now += timedelta(seconds=seconds)
        self._add(News)

    def under_way(self) -> list[str]:
        """Return the keys of work that can end: no wait, not ended already, not parked."""
        ended = {getattr(event, "temporal_id", None) for event in self._pending}
        return [
            key
            for key, work in self.engine.state.in_flight.items()
            if key in self.scheduled or (isinstance(work.run, Child) and work.run.temporal_id not in ended)
        ]

    def waits(self, what: str) -> list[Wait]:
        runs = [work.run for work in self.engine.state.in_flight.values()]
        return [run for run in runs if isinstance(run, Wait) and run.what == what]

    # What the worker and the server do.

    def task(self, *commands: Command, landing: Landing | None = None, reset: bool = False) -> None:
        """Run one workflow task over all that has happened."""
        if self.engine.phase in (Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED):
            return
        self.now += timedelta(milliseconds=1)
        started = self._add(TaskStarted)
        completed = self._add(TaskCompleted, started)
        task = Task(completed, self.now, self._pending, self._signals, list(commands), reset, landing)
        if not self.engine.started:
            task.landing = Landing(run_id=self.line, definition=self.definition, engine=ENGINE)
        self._pending, self._signals = [], []
        for command in commands:
            self._add(Commanded, command)
        if task.landing is not None:
            self._add(Landed, task.landing)
        self.tasks.append(task)
        for work in self._carry_out(self.engine, task):
            if isinstance(work, Run):
                self.scheduled[work.key] = self._add(WorkScheduled, work.key)

    def _carry_out(self, engine: Engine, task: Task) -> list:
        """Do what the workflow does in a task; ends come in whatever order the SDK has them."""
        works: list = []
        if task.reset:
            engine.reset()
        for signal in task.signals:
            engine.hear(signal)
        for command in task.commands:
            check_command(engine, command, task.now)
            self._command(engine, command, task.now)
        for event in self.order.sample(task.seen, len(task.seen)):
            self._end(engine, event)
        if engine.started:
            works += engine.turn(task.now).works
        if task.landing is not None:
            if not engine.started:
                engine.begin(compile_graph(task.landing.definition or {}), task.landing)
            engine.landed(task.landing)
            works += engine.turn(task.now).works
        return works

    @staticmethod
    def _command(engine: Engine, command: Command, now: datetime) -> None:
        match command:
            case Pause():
                engine.pause(command)
            case Resume():
                engine.resume(command)
            case Cancel():
                engine.cancelling()
            case Answer():
                engine.answer(command, now)
            case _:
                raise AssertionError(command)

    def _end(self, engine: Engine, event: Ended) -> None:
        if isinstance(event, ChildCompleted | ChildFailed):
            for key, work in engine.state.in_flight.items():
                if isinstance(work.run, Child) and work.run.temporal_id == event.temporal_id:
                    if isinstance(event, ChildCompleted):
                        engine.complete(key, child_result(work.run, event.result))
                    else:
                        engine.child_failed(key, child_failure(work.run, event.cause))
                    return
            return
        assert isinstance(event, WorkCompleted | WorkFailed)
        scheduled = next(e for e in self.events if e.id == event.scheduled_id)
        assert isinstance(scheduled, WorkScheduled)
        work = engine.state.in_flight.get(scheduled.key)
        if isinstance(event, WorkCompleted):
            engine.complete(scheduled.key, event.result)
        elif is_parked(event.cause):
            engine.park(scheduled.key)
        elif (reason := held(event.cause, engine.state.engine)) is not None:
            engine.hold(scheduled.key, reason)
        elif work is not None and isinstance(work.run, Run):
            engine.fail(scheduled.key, node_failure(work.run, event.cause, event.retry_state))

    # Operators and crashes.

    def projected(self) -> Projection:
        """Return the projection of the history as it stands."""
        projection = Projection()
        projection.feed(self.events)
        projection.settle()
        return projection

    def restart(self) -> None:
        """The worker dies; another one replays the history."""
        self.engine = self._replayed(self.tasks)

    def _replayed(self, tasks: list[Task]) -> Engine:
        engine = Engine(self.start, "exec_1")
        for task in tasks:
            self._carry_out(engine, task)
        return engine

    def rollback(self, point: int) -> None:
        """Reset to a workflow task, as Temporal does it: what it saw stays, what it did is gone. It lands paused."""
        index = next(i for i, task in enumerate(self.tasks) if task.completed == point)
        task = self.tasks[index]
        before = self.runs
        self.runs += 1
        self.tasks = self.tasks[:index]
        self.events = [event for event in self.events if event.id < point]
        self._next = point
        self._add(WasReset, f"run{before}", self.line, "test")
        self.engine = self._replayed(self.tasks)
        self._pending = [event for event in task.seen if event.id < point]
        # What was sent to the line that ended is not reapplied, but what the point has seen is part of its history.
        self._signals = list(task.signals)
        ended = {e.scheduled_id for e in self.events if isinstance(e, WorkCompleted | WorkFailed)}
        open_ = [e for e in self.events if isinstance(e, WorkScheduled) and e.id not in ended]
        self.scheduled = {}
        self.task(landing=Landing(run_id=self.line, revision=self.engine.revision + 1, reset=True), reset=True)
        for event in open_:  # the server dispatches them anew, and they refuse
            if event.key in self.engine.state.in_flight:
                cause = ApplicationError("parked", type=PARKED, non_retryable=True)
                self._pending.append(self._ended(WorkFailed, event.id, cause, RetryState.NON_RETRYABLE_FAILURE))
        if self._pending:
            self.task()
