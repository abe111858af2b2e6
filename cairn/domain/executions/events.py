"""The live events of an execution: its history told as it grows, over every reset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pydantic_core import to_jsonable_python

from cairn.contracts.executions import CLOSED, Answer, Phase
from cairn.contracts.json import Json, JsonObject
from cairn.graph.nodes.voice import SPEAKING
from cairn.graph.state import Child, ExecutionState, InFlight, Run, Wait
from cairn.graph.subagents import answer_of
from cairn.temporal.checkpoints import Projection
from cairn.temporal.events import (
    ChildCompleted,
    ChildFailed,
    ChildInitiated,
    Closed,
    Commanded,
    Event,
    Landed,
    News,
    Signalled,
    Started,
    TaskStarted,
    WasReset,
    WorkCompleted,
    WorkFailed,
    WorkScheduled,
    WorkStarted,
)
from workflows.failures import child_result

# An event's number is (revision of the line, number in its run's history and those of the runs before, number within
# that event). A reset copies events with their numbers and begins a line of a higher revision, so numbers grow over
# resets too.
LINE = 2**32
STOPPED = "node_stopped"
"""Work has neither ended nor failed, as when the budget was used up: it is begun anew later, if at all."""

_EVENT = 2**3

_BOUNDARIES = (
    TaskStarted,
    Closed,
    WorkStarted,
    WorkCompleted,
    WorkFailed,
    ChildCompleted,
    ChildFailed,
    Signalled,
    News,
)


@dataclass(frozen=True, slots=True)
class ExecutionEvent:
    """One event.

    Attributes:
        seq: grows from event to event, over resets too; a token has that of the event before it, and so has reasoning.
        type: status, node_started, node_completed, node_failed, node_stopped, checkpoint, requests, reset, transcript,
            token or reasoning.
        at: UTC.
        lineage: id of the run in which the line began that the event belongs to.
        node_id: the node it is about, if any.
        data: by type.
        more: what not every follower is told: arguments and results of work, the output and use of the whole; whether
            anything works on when it is paused; of a reset the number of the last event before it that stands.
    """

    seq: int
    type: str
    at: datetime
    execution_id: str
    lineage: str
    node_id: str | None
    data: JsonObject
    more: JsonObject = field(default_factory=dict[str, Json])

    @property
    def numbered(self) -> bool:
        """Whether a stream can be taken up after it: tokens are told again instead."""
        return self.type not in ("token", "reasoning")

    @property
    def terminal(self) -> bool:
        """Whether the execution has ended with this."""
        return self.type == "status" and self.data["status"] in CLOSED


def last_seq(run: Projection) -> int:
    """Return a number that no event of a run, which has ended, is above."""
    return run.line_revision * LINE + (run.events_before + run.last_event_id + 1) * _EVENT - 1


class Narrator:
    """Tells one run's history as events. Feed it what is new, in order."""

    def __init__(
        self, execution_id: str, previous: Projection | None = None, projection: Projection | None = None
    ) -> None:
        """Begin before the run's first event.

        Args:
            execution_id: put into the events.
            previous: of the run that this one continues.
            projection: a fresh one of the run, to be fed with the events.
        """
        self.execution_id = execution_id
        self.projection = projection or Projection()
        if previous is not None:
            self.projection.follow(previous)
        self._before = self.projection.events_before
        self._line = previous.line_revision if previous is not None else 0
        self.lineage = ""
        self._phase: Phase | None = previous.engine.phase if previous is not None else None
        self._last = 0
        self._part = 0
        self._reset: WasReset | None = None
        self._reached = self._stands = -1
        self._lines, self._hung_up = 0, False
        self._asked: dict[str, Wait] = {}
        self._answers: dict[str, Answer] = {}

    def tell(self, events: Iterable[Event]) -> Iterator[ExecutionEvent]:
        """Yield what the next events of the history mean."""
        group: list[Event] = []
        for event in events:
            # What a workflow task wrote is understood as a whole, and told before what follows it.
            if isinstance(event, _BOUNDARIES) and group:
                yield from self._group(group)
                group = []
            group.append(event)
        yield from self._group(group)

    def is_agent(self, node_id: str) -> bool:
        """Whether a model works for the node."""
        node = self.projection.engine.graph.nodes.get(node_id) if self.projection.engine.started else None
        return node is not None and (node.kind.type == "agent" or node.kind.type in SPEAKING)

    def _group(self, group: list[Event]) -> Iterator[ExecutionEvent]:
        self.projection.feed(group)
        self.projection.settle()
        self._answers |= {answer.request_id: answer for event in group if (answer := _answer(event)) is not None}
        for event in group:
            if isinstance(event, ChildInitiated) and self._call_of(event) is None:
                continue  # nobody is told of it, and it numbers nothing
            if isinstance(event, WorkScheduled | ChildInitiated):
                yield from self._settled(event.at)  # a resume comes before the work that it lets go on
            if isinstance(event, TaskStarted):
                self._reached = self._number(_EVENT - 1)  # a reset goes back before a workflow task
            self._last, self._part = event.id, 0
            yield from self._tell(event)
        if group:
            yield from self._settled(group[-1].at)

    def _tell(self, event: Event) -> Iterator[ExecutionEvent]:
        match event:
            case Started():
                previous = self.projection.previous
                self.lineage = (previous.engine.lineage if previous else None) or event.original_run_id
                self._go_on_from(event.start.carry or event.start.seed)
                if event.start.carry is not None:
                    self._asked = _open_requests(ExecutionState.load(event.start.carry["state"]))
                yield from self._status(event.at, self._phase or Phase.RUNNING, None)
            case WasReset():
                self._stands = self._reached if self._reset is None else self._stands
                self._reset = event
            case Landed():
                yield from self._landed(event)
            case WorkScheduled():
                yield from self._node("node_started", event.at, event.key, {})
            case ChildInitiated():
                yield from self._node("node_started", event.at, self._call_of(event), {})
            case WorkCompleted() | WorkFailed():
                yield from self._work(event)
            case ChildCompleted() | ChildFailed():
                yield from self._called(event)
            case Closed() if event.phase is not None:
                yield from self._status(event.at, event.phase, self._why(event), self._outcome(event))
            case _:
                pass

    def _landed(self, event: Landed) -> Iterator[ExecutionEvent]:
        if event.landing.reset or self.projection.previous is None:
            self._line, self.lineage = event.landing.revision, event.landing.run_id
        reset, self._reset = self._reset, None
        if reset is not None:
            data = {"from_run_id": reset.base_run_id, "run_id": reset.new_run_id, "reason": reset.reason}
            works = self.projection.engine.state.in_flight.values() if self.projection.engine.started else ()
            awaited = [work.run.temporal_id for work in works if isinstance(work.run, Child) and work.loop is not None]
            more: JsonObject = {"awaited": awaited, "stands": self._stands}
            yield self._event("reset", event.at, None, {**data, "revision": self._line}, more)

    def _work(self, event: WorkCompleted | WorkFailed) -> Iterator[ExecutionEvent]:
        key = self.projection.key_of(event.scheduled_id)
        silent = self._is_silent(key)
        attempt = self.projection.attempts.get(event.scheduled_id, 1)
        if isinstance(event, WorkCompleted):
            usage = event.result.usage.model_dump() if event.result.usage else None
            data = {"attempt": attempt, "usage": usage}
            value = answer_of(event.result.value) if self._child(key) is not None else event.result.value
            if not silent:
                yield from self._node("node_completed", event.at, key, data, {"value": value})
            made = self.projection.made_by(event)
            if made is not None:
                data = {"checkpoint_id": made.id, "name": made.name, "step": made.step}
                yield self._event("checkpoint", event.at, made.node_id, data)
        elif not silent:
            yield from self._failed(event, key, attempt)

    def _failed(self, event: WorkFailed, key: str | None, attempt: int) -> Iterator[ExecutionEvent]:
        why, of_child = self.projection.failure_of(event), self._child(key) is not None
        if why is not None and not (of_child and self.projection.engine.stopped(why)):
            data = {"attempt": attempt, "code": why.code, "message": why.message}
            yield from self._node("node_failed", event.at, key, data)
        elif why is None and not of_child:
            yield from self._node(STOPPED, event.at, key, {"attempt": attempt})

    def _called(self, event: ChildCompleted | ChildFailed) -> Iterator[ExecutionEvent]:
        """Tell what a sub-agent answered, or why it has not."""
        key, failure = self._call_of(event), None
        if key is None or not isinstance(child := self.projection.engine.state.in_flight[key].run, Child):
            return
        if isinstance(event, ChildCompleted):
            result = child_result(child, event.result)
            data: JsonObject = {"attempt": 1, "usage": result.usage.model_dump() if result.usage else None}
            yield from self._node("node_completed", event.at, key, data, {"value": answer_of(result.value)})
        elif (failure := self.projection.failure_of(event)) and not self.projection.engine.stopped(failure):
            data = {"attempt": 1, "code": failure.code, "message": failure.message}
            yield from self._node("node_failed", event.at, key, data)

    def _call_of(self, event: ChildInitiated | ChildCompleted | ChildFailed) -> str | None:
        """Return the key of the call of a sub-agent that a child is; None when it is another child."""
        if not self.projection.engine.started:
            return None
        works = self.projection.engine.state.in_flight
        named = (key for key in works if (child := self._child(key)) and child.temporal_id == event.temporal_id)
        return next(named, None)

    def _under_way(self, key: str | None) -> InFlight | None:
        return self.projection.engine.state.in_flight.get(key or "") if self.projection.engine.started else None

    def _is_silent(self, key: str | None) -> bool:
        """Whether nobody is told of this work: a graph or map that an earlier run began, and a later one waits for."""
        work = self._under_way(key)
        return work is not None and isinstance(work.run, Child) and work.loop is None

    def _child(self, key: str | None) -> Child | None:
        """Return the sub-agent that is under way by this key."""
        work = self._under_way(key)
        return work.run if work is not None and work.loop is not None and isinstance(work.run, Child) else None

    def _node(
        self, kind: str, at: datetime, key: str | None, data: JsonObject, more: JsonObject | None = None
    ) -> Iterator[ExecutionEvent]:
        node = self.projection.node_of(key)
        if node is not None and key is not None:
            told = {"name": node.name, "visit": int(key.rsplit("#", 2)[1]), **self._call(key), **data}
            yield self._event(kind, at, node.id, told, {**self._work_of(key), **(more or {})})

    def _work_of(self, key: str) -> JsonObject:
        """Return which activity does the work; of a tool that an agent calls, with what, and whose call it is."""
        work = self.projection.engine.state.in_flight.get(key)
        loop = self.projection.engine.state.loops.get(work.loop or "") if work is not None else None
        if work is None or isinstance(work.run, Wait) or (isinstance(work.run, Child) and loop is None):
            return {}
        if isinstance(work.run, Child):
            child = {"execution_id": work.run.temporal_id, "agent_id": work.run.graph.workflow_id}
            told: JsonObject = {"activity": "", "subagent": child}
        else:
            told = {"activity": work.run.activity}
        if loop is not None and work.call is not None and work.call < len(loop.calls):
            call = loop.calls[work.call]
            # What a person has changed is in the work; what a sub-agent is given besides is none of its arguments.
            arguments = call.arguments if isinstance(work.run, Child) else work.run.data["arguments"]
            told |= {"arguments": arguments, "call_id": call.id}
        return told

    def _call(self, key: str) -> JsonObject:
        """Say which turn of an agent, or which call of a tool, the work under way is; nothing of other work."""
        work = self.projection.engine.state.in_flight.get(key)
        if work is not None and work.call is not None and self._child(key) is not None:
            loop = self.projection.engine.state.loops[work.loop or ""]
            return {"call": f"turn{loop.turns}.{work.call}", "tool": loop.calls[work.call].tool}
        if work is None or not isinstance(work.run, Run) or not work.run.call:
            return {}
        tool = {} if work.call is None else {"tool": work.run.data["tool"]}
        return {"call": work.run.call, **tool}

    def _settled(self, at: datetime) -> Iterator[ExecutionEvent]:
        """Tell what the last workflow task changed."""
        if self._reset is not None or not self.projection.engine.started:
            return
        yield from self._requests(at)
        yield from self._said(at)
        phase = self.projection.engine.phase
        if phase not in CLOSED:
            self._part = _EVENT - 1
            yield from self._status(
                at, phase, self.projection.engine.detail, {"works": not self.projection.engine.drained}
            )

    def _go_on_from(self, dumped: JsonObject | None) -> None:
        """Take note of what was said in another run, or in the execution that was forked: it is not told again."""
        call: JsonObject = (dumped["state"].get("call") if dumped is not None else None) or {}
        if call:
            self._lines, self._hung_up = len(call["transcript"]), call["disposition"] is not None

    def _said(self, at: datetime) -> Iterator[ExecutionEvent]:
        """Tell what was said in a call since the last time, and that it has ended."""
        call = self.projection.engine.state.call
        if call is None or (len(call.transcript) <= self._lines and (call.disposition is None or self._hung_up)):
            return
        new, self._lines = call.transcript[self._lines :], len(call.transcript)
        self._hung_up, self._part = call.disposition is not None, _EVENT - 2
        lines = [{"role": s.role, "text": s.text, "node_id": s.node_id, "turn": s.turn} for s in new]
        data = {"turn": call.turn, "lines": lines, "ended": self._hung_up, "disposition": call.outcome}
        yield self._event("transcript", at, call.token.node_id if call.token is not None else None, data)

    def _requests(self, at: datetime) -> Iterator[ExecutionEvent]:
        """Tell what people are asked since the last time, and what they are not asked any more."""
        engine = self.projection.engine
        asked = {} if engine.phase in CLOSED else _open_requests(engine.state)
        opened = [_request(wait) for name, wait in asked.items() if name not in self._asked]
        gone = [(name, wait) for name, wait in self._asked.items() if name not in asked]
        if not opened and not gone:
            return
        answers = {name: self._answers.pop(name, None) for name, _ in gone}
        closed = [{**_request(wait), **_ending(wait, answers[name], at)} for name, wait in gone]
        self._asked, self._part = asked, _EVENT - 3
        more: JsonObject = {each.request_id or "": _asked(each) for each in (*asked.values(), *(w for _, w in gone))}
        for each in closed:
            answer = answers.get(each["request_id"])
            more[each["request_id"]]["answer"] = answer.value if answer is not None else None
        yield self._event("requests", at, None, {"opened": opened, "closed": closed}, more)

    def _status(
        self, at: datetime, phase: Phase, detail: str | None, more: JsonObject | None = None
    ) -> Iterator[ExecutionEvent]:
        if phase is not self._phase:
            self._phase = phase
            yield self._event("status", at, None, {"status": phase.value, "detail": detail}, more)

    def _why(self, event: Closed) -> str | None:
        if event.terminated:
            return "terminated"
        return self.projection.engine.detail if event.phase is Phase.FAILED else None

    def _outcome(self, event: Closed) -> JsonObject:
        """Return what the execution has brought, or why it failed, and what it used."""
        engine = self.projection.engine
        return {
            "output": event.result.output if event.result is not None else None,
            "failure": engine.failure.model_dump() if engine.failure is not None else None,
            "usage": engine.state.usage.model_dump() if engine.started else None,
        }

    def _event(
        self, kind: str, at: datetime, node_id: str | None, data: JsonObject, more: JsonObject | None = None
    ) -> ExecutionEvent:
        seq, self._part = self._number(self._part), min(self._part + 1, _EVENT - 1)
        return ExecutionEvent(seq, kind, at, self.execution_id, self.lineage, node_id, data, more or {})

    def _number(self, part: int) -> int:
        return self._line * LINE + (self._before + self._last) * _EVENT + part


def _open_requests(state: ExecutionState) -> dict[str, Wait]:
    """Return what people are being asked, by the id of the request."""
    waits = [work.run for work in state.in_flight.values() if isinstance(work.run, Wait)]
    return {wait.request_id: wait for wait in waits if wait.request_id is not None}


def _answer(event: Event) -> Answer | None:
    """Return what a person says with an event."""
    told = event.command if isinstance(event, Commanded) else event.signal if isinstance(event, Signalled) else None
    return told if isinstance(told, Answer) else None


def _asked(wait: Wait) -> JsonObject:
    """Return what a person is asked."""
    return {**wait.data, "expires_at": to_jsonable_python(wait.deadline)}


def _request(wait: Wait) -> JsonObject:
    return {"request_id": wait.request_id, "kind": wait.what, "node_id": wait.node_id, "visit": wait.visit}


def _ending(wait: Wait, answer: Answer | None, at: datetime) -> JsonObject:
    """Return how a request ended."""
    if answer is not None:
        status = answer.value["decision"] if wait.what == "approval" else "answered"
        return {"status": status, "by": answer.by}
    overdue = wait.deadline is not None and wait.deadline <= at
    return {"status": "expired" if overdue else "cancelled", "by": None}
