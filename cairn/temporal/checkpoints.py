"""Checkpoints are places in an execution's history: the projection that finds them. Pure: history in, checkpoints out.

A checkpoint is the state after a node completed. It can be reset to at the first workflow task that saw the completion:
Temporal repeats that task in a new run, with everything before it as it was. The state is the fold of the engine over
the results in history; no worker and no query is asked.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from cairn.contracts.executions import NodeFailure
from cairn.graph import segments, step
from cairn.graph.compiled import GraphNode, GraphNotExecutable, compile_graph
from cairn.graph.engine import Engine
from cairn.graph.state import Child, ExecutionState, Run
from cairn.temporal.checkpoint import Checkpoint, LeftRun, Snapshot, checkpoint_id
from cairn.temporal.damage import follows, needs_graph, readable
from cairn.temporal.ended import Done, Ended, done_of, done_without_event, in_order, key_of, name_of, outcome, watched
from cairn.temporal.events import (
    ChildCompleted,
    ChildFailed,
    Closed,
    Commanded,
    Event,
    Landed,
    Signalled,
    Started,
    TaskCompleted,
    TaskCutOff,
    TaskStarted,
    WasReset,
    WorkCompleted,
    WorkFailed,
    WorkScheduled,
    WorkStarted,
)
from cairn.temporal.task import Task, TaskNews, command, park_or_hold, signal

START = "start"


class Projection:
    """The fold over one run's history. Feed it events in order, as often as there are new ones, then ``settle``.

    All raises ``HistoryDamaged`` alone. Where other events are missing, it is the fold over those that are there.

    Attributes:
        engine: as the workflow has it.
        last_event_id: how far it was fed.
        resets: the resets that made this run, oldest first.
        closed: how the run ended, if it did.
        done: the work that ended, oldest first; only when a checkpoint is captured.
        continued_run_id: the run before, when this one continues it.
        previous: what it left.
        line_revision: the revision at which the present line began.
        events_before: how many events the runs have that this one continues.
        steps: how many checkpoints it and those before it made; known of a run that went on alone.
        updates: ids of the commands that were accepted in this run.
        signals: those that no workflow task has seen yet.
    """

    engine: Engine

    def __init__(self, capture: str | None = None, run_id: str = "") -> None:
        """Make an empty projection.

        Args:
            capture: id of a checkpoint whose state is wanted.
            run_id: id of the run.
        """
        self.run_id = run_id
        self.continued_run_id: str | None = None
        self.previous: Projection | None = None
        self.line_revision = self.events_before = self.last_event_id = self.steps = self._steps_before = 0
        self.updates: set[str] = set()
        self.original_run_id = ""
        self.resets: list[WasReset] = []
        self.closed: Closed | None = None
        self.snapshot: Snapshot | None = None
        self.attempts: dict[int, int] = {}
        self.done: list[Done] = []
        self._capture = capture
        self._keys: dict[int, str] = {}
        self._made: list[Checkpoint] = []
        self._unseen: list[Ended] = []
        self.signals: list[Signalled] = []
        self._suggested, self._size = False, 0
        self._task: Task | None = None
        self._news = TaskNews()
        self._now: datetime | None = None
        self._reset_due = self._broken = False
        self._cut_off: int | None = None

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """All checkpoints, oldest first. One that no workflow task has seen has a point only when the run is closed."""
        return [checkpoint for run in self.runs for checkpoint in run._numbered()]

    @property
    def every_reset(self) -> list[WasReset]:
        """The resets that made this run and those that it continues, oldest first."""
        return [reset for run in self.runs for reset in run.resets]

    @property
    def runs(self) -> list[Projection]:
        """The projections of the runs that this one continues, oldest first, and itself."""
        found: list[Projection] = [self]
        while (previous := found[-1].previous) is not None:
            found.append(previous)
        return found[::-1]

    def follow(self, previous: Projection) -> None:
        """Take what the run left that this one continues."""
        self.previous = previous
        self.events_before = previous.events_before + previous.last_event_id
        self._steps_before = previous.steps
        if not self.resets:
            self.line_revision = previous.line_revision

    def left(self) -> LeftRun:
        """Return what the run leaves to the one that continues it: no state, since there may be any number of runs."""
        if self.closed is None:
            raise AssertionError("the run has not ended")
        start = self.engine.start.model_copy(update={"carry": None, "seed": None, "input": None, "item": None})
        runs, engine = (self.run_id, self.continued_run_id, self.original_run_id), self.engine
        told = (self.resets, self._own(), self.updates)
        return LeftRun(*runs, start, engine.lineage, self.line_revision, *told, self.closed.id, self.closed.at)

    @staticmethod
    def of_left(left: LeftRun, previous: Projection | None) -> Projection:
        """Return the projection of a run that went on: its checkpoints and totals, and those of the one before."""
        brief = Projection(run_id=left.run_id)
        brief.continued_run_id, brief.original_run_id = left.continued_run_id, left.original_run_id
        brief.line_revision, brief.resets, brief.updates = left.line_revision, left.resets, left.updates
        brief.last_event_id, brief.closed = left.closed_id, Closed(left.closed_id, left.closed_at, None)
        brief.engine = Engine(left.start)
        brief.engine.lineage = left.lineage
        if previous is not None:
            brief.follow(previous)
        brief.steps = brief._steps_before + len(left.checkpoints)
        brief._made = [replace(each, step=each.step + brief._steps_before) for each in left.checkpoints]
        brief._steps_before = 0
        return brief

    def _numbered(self) -> list[Checkpoint]:
        before = self._steps_before
        return [replace(c, step=c.step + before) for c in self._own()] if before else self._own()

    def _own(self) -> list[Checkpoint]:
        made = [c if c.point is not None else replace(c, point=self._closing(c.event_id)) for c in self._made]
        unseen = [found for event in self._unseen if (found := self._checkpoint(event)) is not None]
        for number, found in enumerate(unseen):
            point = self._closing(found.event_id)
            made.append(replace(found, step=len(made), point=point, shared=number > 0 and point is not None))
        return made

    def _closing(self, event_id: int) -> int | None:
        """Return the point of what no workflow task has seen: the run's end, which keeps what was written before it."""
        if self.closed is None:
            return None
        end = self._cut_off or self.closed.id
        return end if event_id < end else None

    @readable()
    def state_at(self, checkpoint: Checkpoint) -> Snapshot | None:
        """Return the state at a checkpoint: the one to capture, or one that no workflow task has seen yet."""
        if self.snapshot is None and self._unseen and self.engine.started:
            return self._after(event for event in self._unseen if event.id <= checkpoint.event_id)
        return self.snapshot

    @property
    def landed_after_reset(self) -> bool:
        """Whether the workflow has taken note of the last reset: a workflow task completed after it."""
        return not self._reset_due and self.engine.lineage is not None

    def find(self, checkpoint_id: str) -> Checkpoint | None:
        """Return the checkpoint with this id, if this line of the execution has it."""
        return next((c for c in self.checkpoints if c.id == checkpoint_id), None)

    def made_by(self, event: WorkCompleted) -> Checkpoint | None:
        """Return the checkpoint that a completion made, if it made one."""
        made = next((c for c in reversed(self._made) if c.event_id <= event.id), None)
        if made is None or made.event_id != event.id:
            made = self._checkpoint_of_unseen(event)
        return replace(made, step=made.step + self._steps_before) if made is not None else None

    def key_of(self, scheduled_id: int) -> str | None:
        """Return the key of the work that the event commanded."""
        return self._keys.get(scheduled_id)

    def failure_of(self, event: WorkFailed | ChildFailed) -> NodeFailure | None:
        """Return why work under way failed, before the engine has taken it; None when it merely stopped."""
        work = self.engine.state.in_flight.get(self._key(event)) if self.engine.started else None
        return outcome(event, work, self.engine.state.engine)[1] if work is not None else None

    def node_of(self, key: str | None) -> GraphNode | None:
        """Return the node whose work has the key."""
        return self.engine.graph.nodes.get(key.rsplit("#", 2)[0]) if key and self.engine.started else None

    @readable()
    def feed(self, events: Iterable[Event]) -> None:
        """Take the next events of the history."""
        for event in events:
            follows(event, self.last_event_id)
            if isinstance(event, TaskStarted | Closed):
                self.settle()
            self._news.take(event)
            self._take(event)
            self.last_event_id = event.id

    @readable()
    def settle(self) -> None:
        """Carry out the last workflow task. Temporal writes a task and its commands at once: nothing can be missing."""
        task, self._task = self._task, None
        if task is not None and not self._broken:
            self._carry_out(task)

    def _take(self, event: Event) -> None:
        match event:
            case Started():
                self._begin(event)
            case TaskStarted() | TaskCompleted() | Landed() | Commanded():
                self._take_task(event)
            case WasReset():
                self.resets.append(event)
                self._reset_due = True
            case Signalled():
                self.signals.append(event)
            case TaskCutOff():
                self._cut_off = event.id
            case Closed():
                self.closed = event
            case _:
                self._take_work(event)

    def _begin(self, event: Started) -> None:
        self.engine = Engine(event.start, event.temporal_id or event.start.execution_id)
        self.original_run_id, self.continued_run_id = event.original_run_id, event.continued_run_id
        if event.start.carry is None:
            self._made.append(Checkpoint(self._id(event), START, None, event.at, 0, event.id, run_id=self.run_id))

    def _take_work(self, event: Event) -> None:
        match event:
            case WorkScheduled():
                self._keys[event.id] = watched(event.key)
            case WorkStarted():
                self.attempts[event.scheduled_id] = event.attempt
            case WorkCompleted() | WorkFailed() | ChildCompleted() | ChildFailed():
                self._unseen.append(event)
            case _:
                pass

    def _take_task(self, event: TaskStarted | TaskCompleted | Landed | Commanded) -> None:
        match event:
            case TaskStarted():
                self._now, self._suggested, self._size = event.at, event.suggested, event.size
            case TaskCompleted():
                told = self._news.told()
                self._task = Task(event, self._now or event.at, self._suggested, self._size, [], [], told)
            case Landed() if self._task is not None:
                self._task.landings.append(event)
            case Commanded() if self._task is not None:
                self._task.commands.append(event.command)
                self.updates.add(event.update_id)
            case _:
                pass

    def _carry_out(self, task: Task) -> None:
        """Do in the engine what the workflow did in this task."""
        point = task.completed
        seen = [event for event in self._unseen if event.id < point.started_id]
        self._unseen = self._unseen[len(seen) :]
        needs_graph(self.engine.started or not (seen or task.commands), point)
        if self._made and self._made[0].node_id is None and self._made[0].point is None:
            self._made[0] = replace(self._made[0], point=point.id)
        if self._reset_due:
            self.engine.reset()
            self._reset_due = False
        found = [made for event in seen if (made := self._checkpoint(event)) is not None]
        for number, made in enumerate(found):
            self._made.append(replace(made, step=len(self._made), point=point.id, shared=number > 0))
        if any(made.id == self._capture for made in found):
            # What a reset to this point finds: the completions that the task saw, without the commands accepted in it.
            self.snapshot = self._after(seen)
        if self._capture is not None and self.engine.started:
            self.engine.state.trace = []
        signals = [event for event in self.signals if event.id < point.started_id]
        self.signals = self.signals[len(signals) :]
        signal(self.engine, signals)
        command(self.engine, task)
        self._take_trace(task)
        for event in self._in_order(seen):
            ended = self._end_work(self.engine.state, event)
            if ended is not None and self._capture is not None:
                self.done.append(ended)
        self._go_on(task)
        self._take_trace(task)

    def _take_trace(self, task: Task) -> None:
        """Take what ended without an event of its own: by a command, by time, or by a result that was kept."""
        if self._capture is None or not self.engine.started:
            return
        for whole in self.engine.state.trace or []:
            self.done.append(done_without_event(whole, task.completed, self.engine.lineage or ""))
        self.engine.state.trace = []

    def _in_order(self, events: Iterable[Ended]) -> list[Ended]:
        return in_order(events, self.engine, self._key) if self.engine.started else list(events)

    def _key(self, event: Ended) -> str:
        return key_of(event, self._keys, self.engine)

    def _go_on(self, task: Task) -> None:
        if self.engine.started and task.woke:
            self._turn(task)
        for landed in task.landings:
            landing, task.now = landed.landing, max(task.now, landed.clock or task.now)
            if landing.definition is not None and not self.engine.started:
                try:
                    self.engine.begin(compile_graph(landing.definition), landing)
                except GraphNotExecutable:
                    self._broken = True
                    return
                if self._made and self._capture == self._made[0].id:
                    self.snapshot = self._after([])
            needs_graph(self.engine.started, landed)
            self.engine.landed(landing)
            if landing.reset:
                self.line_revision = landing.revision
            self._turn(task)

    def _turn(self, task: Task) -> None:
        self.engine.turn(task.now, task.completed.started_id, task.suggested, task.size)

    def _end_work(self, state: ExecutionState, event: Ended) -> Done | None:
        """Take the end of a piece of work; return what ended, if it was under way and did not merely stop."""
        key = self._key(event)
        work = state.in_flight.get(key)
        if work is None:
            return None
        result, failure = outcome(event, work, state.engine)
        if failure is not None and isinstance(work.run, Child) and self.engine.stopped(failure):
            if state is self.engine.state:
                self.engine.park(key)
            return None
        state.trace = [] if self._capture is not None else None
        if result is not None:
            step.complete(self.engine.graph, state, key, result)
        elif failure is not None:
            step.fail(self.engine.graph, state, key, failure)
        else:
            if isinstance(event, WorkFailed) and isinstance(work.run, Run) and state is self.engine.state:
                park_or_hold(self.engine, key, event)
            return None
        whole = state.trace.pop() if state.trace else None
        return replace(done_of(event, work, self.engine.lineage or "", result, failure), whole=whole)

    @readable()
    def ended_unseen(self) -> list[Done]:
        """Return the work that ended and that no workflow task has seen yet."""
        if not self._unseen or not self.engine.started:
            return []
        state = copy.deepcopy(self.engine.state)
        return [ended for event in self._in_order(self._unseen) if (ended := self._end_work(state, event)) is not None]

    def _after(self, seen: Iterable[Ended]) -> Snapshot:
        state = copy.deepcopy(self.engine.state)
        for event in self._in_order(seen):
            self._end_work(state, event)
        segments.go_through(self.engine.graph, state)
        return Snapshot.of(state, self.engine)

    def _checkpoint_of_unseen(self, event: WorkCompleted) -> Checkpoint | None:
        unseen = [made for other in self._unseen if (made := self._checkpoint(other)) is not None]
        own = ((number, made) for number, made in enumerate(unseen, len(self._made)) if made.event_id == event.id)
        return next((replace(made, step=number) for number, made in own), None)

    def _checkpoint(self, event: Ended) -> Checkpoint | None:
        """Return the checkpoint that a completion makes, without its step and point."""
        if not isinstance(event, WorkCompleted) or not self.engine.started:
            return None
        work = self.engine.state.in_flight.get(self._key(event))
        name, node_id = name_of(work, event.result) if work is not None else (None, "")
        if name is None:
            return None
        return Checkpoint(self._id(event), name, node_id, event.at, 0, event.id, run_id=self.run_id)

    def _id(self, event: Event) -> str:
        return checkpoint_id(self.engine.start, self.original_run_id, event)
