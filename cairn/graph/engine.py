"""The engine: one execution as a deterministic machine that is fed what happened and says what to do.

The execution workflow feeds it live; :mod:`cairn.temporal.checkpoints` feeds it a stored history. Both get the same
states, because both feed, for each workflow task: first the reset if one made the task, then the commands that were
accepted in it, then the completions that it saw; and then ask for one ``turn``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime

from cairn.contracts.children import STOPPED
from cairn.contracts.executions import (
    Accepted,
    Answer,
    ExecutionInput,
    Migrate,
    NodeFailure,
    OutsideEvent,
    ParentCommand,
    Patch,
    Pause,
    Phase,
    Resume,
)
from cairn.contracts.json import Json, JsonObject, merge_patch
from cairn.contracts.nodes import NodeResult
from cairn.contracts.operations import Landing
from cairn.errors import CairnError
from cairn.graph import call_events, limits, step, waits
from cairn.graph.commands import check_command
from cairn.graph.compiled import Graph, GraphNode
from cairn.graph.keys import number_of
from cairn.graph.migrate import check_migration
from cairn.graph.run_length import RunLength
from cairn.graph.schema import validate_json
from cairn.graph.state import Child, ExecutionState, Notice, Run, Turn, Wait, Work

RESET_DETAIL = "reset to a checkpoint"
PARENT_DETAIL = "the parent is paused"
LINE = 100
"""So many runs of a line are remembered, so that a command sent to a recent one is still meant for it."""


class Engine:
    """One execution.

    Attributes:
        phase: its state; a terminal one is only reached by ``turn``.
        detail: why it is paused, or how it ended.
        lineage: id of the run in which the current line began; None until it has landed there.
        revision: +1 for each accepted command or observed reset.
        ref: the version of the graph that it runs.
        graph: the graph, known from the first landing on.
        former: nodes of the versions that it ran before in this run.
        early: outside events that came before it has landed.
        state: all that the next step depends on.
        cancels: a cancellation of this line was accepted, by the rules of engine 8 on: nothing begins any more.
    """

    graph: Graph
    state: ExecutionState

    def __init__(self, start: ExecutionInput, temporal_id: str = "") -> None:
        """Make the engine of an execution that has not landed yet.

        Args:
            start: what it was started with.
            temporal_id: its Temporal workflow id: the ids of its children and requests follow from it.
        """
        self.temporal_id = temporal_id
        self.start = start
        self.ref = start.graph
        self.phase = Phase.RUNNING
        self.detail: str | None = None
        self.lineage: str | None = None
        self.revision = 0
        self.started = False
        self.failure: NodeFailure | None = None
        self.former: dict[str, GraphNode] = {}
        self._line: list[str] = []
        self._parked: list[str] = []
        self._over_limit = self._grant = self.cancels = False
        self._ended: list[tuple[str, Callable[[], None]]] = []
        self._parent_says: list[ParentCommand] = []
        self._said: list[Answer] = []
        self.early: list[OutsideEvent] = []
        self._length = RunLength()

    @property
    def line(self) -> list[str]:
        """Runs of the present line, oldest first: a command that names one of them is meant for it."""
        return self._line

    # What happened.

    def begin(self, graph: Graph, landing: Landing) -> None:
        """Take the graph; the execution then stands before its start node, or where it was seeded or carried on."""
        start, self.graph = self.start, graph
        named: JsonObject = {"id": start.execution_id, "workflow_id": start.graph.workflow_id}
        execution: JsonObject = {**named, "metadata": start.metadata}
        if start.carry is not None:
            self._restore(start.carry)
        elif start.seed is not None:
            self.state = ExecutionState.load(start.seed["state"])
            known = self.state.pins  # those of the version that it goes on by, where its parent has moved to another
            self.state.execution = execution
            self.state.pins = {**start.pins, **known} if self.state.engine > 8 else start.pins or known
            self._parked = list(self.state.in_flight)
            self.state.spent.since = None  # its time begins now
        else:
            self.state = step.begin(graph, execution, start.input, landing.configuration)
            self.state.engine = landing.engine
            self.state.pins = {**landing.pins, **start.pins}
            if start.parent is not None:
                self.state.depth, self.state.agents = start.parent.depth, list(start.parent.agents)
                if start.graph.body:
                    self.state.item = {"item": start.item, "index": start.parent.index}
                self._check_input(start.input)
        self._length.limit = landing.history_limit
        self.started = True

    def reset(self) -> None:
        """Notice that a reset made this run: nothing goes on before it has landed and been resumed."""
        self.lineage, self._line, self.cancels = None, [], False
        self._length.reset()
        self._pause(RESET_DETAIL)
        if self.started:
            self._ask_anew()

    def landed(self, landing: Landing) -> None:
        """Take the answer of the landing activity."""
        if landing.reset or not self._line:
            self.lineage, self._line, self.revision = landing.run_id, [], landing.revision
        self._line = [*self._line[-(LINE - 1) :], landing.run_id]
        early, self.early = self.early, []
        for event in early:
            self.hear(event)
        if landing.reset:
            self.cancels = False
            self._pause(RESET_DETAIL)
            self._ask_anew()

    def complete(self, key: str, result: NodeResult) -> None:
        """Take the result of a piece of work."""
        self._take(key, lambda: step.complete(self.graph, self.state, key, result))

    def fail(self, key: str, failure: NodeFailure) -> None:
        """Take the final failure of a piece of work."""
        self._take(key, lambda: step.fail(self.graph, self.state, key, failure))

    def child_failed(self, key: str, failure: NodeFailure) -> None:
        """Take the failure of a child; one that failed in the line that a reset ended is started anew."""
        if self.stopped(failure):
            self.park(key)
        else:
            self.fail(key, failure)

    def stopped(self, failure: NodeFailure) -> bool:
        """Whether a child ended in the line of its parent that a reset ended: nothing of that line counts."""
        return failure.code == STOPPED or (not self.lineage and (self.state.engine > 8 or failure.code == "cancelled"))

    def park(self, key: str) -> None:
        """Take note that a reset dispatched this work anew: it is commanded again after the resume."""
        if key in self.state.in_flight:
            self._parked.append(key)

    def hold(self, key: str, reason: str) -> None:
        """Take note that work may ask no model for the present: pause, and command it anew after the resume."""
        self.park(key)
        self._take(key, lambda: self._pause(self.detail or reason))

    def hear(self, event: OutsideEvent) -> None:
        """Take an outside event that was meant for this line."""
        if self.lineage is None:
            self.early.append(event)  # sent before this run has landed: then it tells whether it is meant
        elif event.lineage in self._line:
            waits.hear(self.state, event)

    def told(self, command: ParentCommand) -> None:
        """Take note that the parent was paused or resumed."""
        self._parent_says.append(command)

    def said(self, answer: Answer) -> None:
        """Take an answer that came by signal."""
        self._said.append(answer)

    def settle(self) -> None:
        """Take what has ended since the last turn, in the order in which it was commanded.

        The order in which one workflow task tells of several ends is the SDK's matter, this one is the execution's.
        """
        ended, self._ended = self._ended, []
        for _, take in sorted(ended, key=lambda each: number_of(each[0])):
            take()

    def _parked_in_order(self) -> list[str]:
        return self._parked if self.state.engine == 1 else sorted(self._parked, key=number_of)

    def _take(self, key: str, take: Callable[[], None]) -> None:
        if self.state.engine == 1:
            take()
        elif key in self.state.in_flight:
            self._ended.append((key, take))

    # Commands that were accepted (see :mod:`cairn.graph.commands`).

    def pause(self, command: Pause) -> Accepted:
        """Stop before the next node."""
        if self.phase is Phase.PAUSED:
            return self._accepted(changed=False)
        self._pause(command.reason)
        return self._accepted()

    def resume(self, command: Resume) -> Accepted:
        """Apply the patches and go on."""
        if self.phase is not Phase.PAUSED:
            return self._accepted(changed=False)
        self._apply_patches(command.input_patch, command.state_patch)
        self._keep(command)
        self.phase, self.detail = Phase.RUNNING, None
        self._grant = self._over_limit
        return self._accepted()

    def patch(self, command: Patch) -> Accepted:
        """Apply the patches and stay paused."""
        self._apply_patches(command.input_patch, command.state_patch)
        self._keep(command)
        # What a reset hands over with it is no change of a caller's.
        handed_over = bool(command.done or command.seeds)
        patched = command.input_patch is not None or command.state_patch is not None
        return self._accepted(changed=patched or not handed_over)

    def answer(self, command: Answer, now: datetime) -> Accepted:
        """Take a person's answer; a paused execution keeps it."""
        self.settle()
        key, _ = waits.find(self.state, command.request_id, now)
        step.answer(self.graph, self.state, key, command.value, command.by)
        return self._accepted()

    def migrate(self, command: Migrate) -> Accepted:
        """Go on by another version of the graph."""
        self.settle()
        before, self.graph = self.graph, check_migration(self.state, self.graph, command.definition)
        self.former |= before.nodes
        self.ref, self.state.pins = command.graph, command.pins
        return self._accepted()

    def cancelling(self) -> Accepted:
        """Take note that a cancellation was accepted; Temporal's own cancellation ends the execution."""
        self.detail, self.cancels = "cancelling", self.state.engine > 7
        return self._accepted()

    @property
    def drained(self) -> bool:
        """Whether no activity is under way; what is parked is none, and is commanded anew later."""
        in_flight = self.state.in_flight.items()
        return not any(isinstance(work.run, Run) for key, work in in_flight if key not in self._parked)

    # What to do.

    def turn(self, now: datetime, length: int = 0, suggested: bool = False, size: int = 0) -> Turn:
        """Return what to do now, and move to the phase that follows.

        Args:
            now: workflow time.
            length: events in the run's history so far.
            suggested: Temporal suggests to continue in a new run.
            size: bytes of that history.
        """
        self.settle()
        if self.lineage is None:
            return Turn()
        self._obey_parent()
        self._heed_answers(now)
        if self.phase is not Phase.RUNNING or self.cancels:
            call_events.hold(self.state)
            return Turn()
        step.pass_time(self.graph, self.state, now)
        if self._length.over(length, suggested) and not self.state.ended:
            drained = self.drained
            if drained or self.state.engine < 3 or self._length.holds(now, length, size):
                return Turn(notices=self._notices(), go_on=drained, wake_at=self._length.held_until)
        if self._grant:
            self._grant = self._over_limit = False
            limits.grant(self.graph, self.state, now)
        line = step.Line(now, self.lineage, self.temporal_id, self.ref)
        again = [step.redo(self.graph, self.state, key, line) for key in self._parked_in_order()]
        self._parked.clear()
        works, over = step.advance(self.graph, self.state, line)
        while over is None and step.pass_time(self.graph, self.state, now):  # what it waits for is there already
            more, over = step.advance(self.graph, self.state, line)
            works = [work for work in works if work.key in self.state.in_flight] + more
        if over is not None:
            self._over_limit = True
            self._pause(over)
        elif self.state.ended:
            self._finish()
        works = [work for work in again if work is not None] + works
        # What was commanded may have been dropped again in the same turn.
        return Turn([work for work in works if work.key in self.state.in_flight], self._notices())

    def open_children(self) -> list[Child]:
        """Return the children under way: none that was stopped, none of the execution that was forked."""
        flights = self.state.in_flight.items()
        return [w.run for key, w in flights if isinstance(w.run, Child) and key not in self._parked]

    def carried(self) -> list[Work]:
        """Return the waits and children that were under way when the execution went on in this run."""
        return [w.run for key, w in self.state.in_flight.items() if w.run.kind != "run" and key not in self._parked]

    # What another run, or another execution, goes on from.

    def dump(self) -> JsonObject:
        """Return all that it knows, as JSON."""
        self.settle()
        return {
            "state": self.state.dump(),
            "phase": self.phase.value,
            "detail": self.detail,
            "lineage": self.lineage,
            "revision": self.revision,
            "line": self._line,
            "parked": self._parked,
            "over_limit": self._over_limit,
            "grant": self._grant,
        }

    def _check_input(self, value: Json) -> None:
        """Fail a child at once whose input breaks its graph's schema: no caller has checked it."""
        errors = validate_json(self.graph.input_schema, value) if self.graph.input_schema is not None else []
        if errors:
            said = f"the input breaks its schema at {errors[0].pointer or '/'}: {errors[0].message}"
            self.state.failure = NodeFailure(code="invalid_input", message=said, node_id="")

    def _restore(self, dumped: JsonObject) -> None:
        self.state = ExecutionState.load(dumped["state"])
        self.phase, self.detail = Phase(dumped["phase"]), dumped["detail"]
        self.lineage, self.revision, self._line = dumped["lineage"], dumped["revision"], list(dumped["line"])
        self._parked = list(dumped["parked"])
        self._over_limit, self._grant = dumped["over_limit"], dumped["grant"]

    def _notices(self) -> list[Notice]:
        notices, self.state.notices = self.state.notices, []
        return notices

    def _ask_anew(self) -> None:
        """Have people asked again after the resume: what they were asked in the line that a reset ended is void."""
        for key, work in self.state.in_flight.items():
            if isinstance(work.run, Wait) and work.run.request_id is not None and key not in self._parked:
                self._parked.append(key)

    def _heed_answers(self, now: datetime) -> None:
        """Take the answers that came by signal; one that does not fit is ignored, as nobody waits for a reply."""
        said, self._said = self._said, []
        for answer in said:
            with contextlib.suppress(CairnError):
                check_command(self, answer, now)
                self.answer(answer, now)

    def _obey_parent(self) -> None:
        says, self._parent_says = self._parent_says, []
        for command in says:
            if command.kind == "pause" and self.phase is Phase.RUNNING:
                self._pause(PARENT_DETAIL)
            elif command.kind == "resume" and self.phase is Phase.PAUSED and self.detail == PARENT_DETAIL:
                self.phase, self.detail = Phase.RUNNING, None

    def _keep(self, command: Patch | Resume) -> None:
        """Take over what a reset keeps of the line that it ended."""
        for done in command.done:
            self.state.done[f"{done.node_id}#{done.visit}"] = done
        self.state.seeds += command.seeds

    def _finish(self) -> None:
        failure = self.state.failure
        if failure is None and self.graph.output_schema is not None:
            errors = validate_json(self.graph.output_schema, self.state.output)
            if errors:
                said = f"the output breaks its schema at {errors[0].pointer or '/'}: {errors[0].message}"
                failure = NodeFailure(code="output_schema", message=said, node_id="")
        self.failure = failure
        self.phase = Phase.COMPLETED if failure is None else Phase.FAILED
        self.detail = None if failure is None else failure.message

    def _pause(self, reason: str) -> None:
        self.phase, self.detail = Phase.PAUSED, reason

    def _accepted(self, changed: bool = True) -> Accepted:
        if changed:
            self.revision += 1
        return Accepted(revision=self.revision, phase=self.phase, changed=changed)

    def _apply_patches(self, input_patch: Json, state_patch: Json) -> None:
        if input_patch is not None:
            self.state.input = merge_patch(self.state.input, input_patch)
        if state_patch is not None:
            self.state.values = merge_patch(self.state.values, state_patch)
