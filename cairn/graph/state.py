"""The state of an execution: all that its next step depends on."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Discriminator, TypeAdapter

from cairn.contracts.executions import ChildSeed, DoneWork, GraphRef, NodeFailure, OutsideEvent, Usage
from cairn.contracts.json import Json, JsonObject
from cairn.graph.dialogs import AgentLoop, Call, ToolCall
from cairn.graph.nodes.base import RetryPolicy
from cairn.graph.token import Token

if TYPE_CHECKING:
    from cairn.graph.compiled import Way

__all__ = [
    "AgentLoop",
    "Call",
    "Child",
    "Done",
    "ExecutionState",
    "Fork",
    "InFlight",
    "Line",
    "Notice",
    "Run",
    "Spent",
    "Token",
    "ToolCall",
    "Turn",
    "Wait",
    "Work",
]


@dataclass(slots=True)
class Fork:
    """One passage through a parallel node: which branches are still under way, and what the others brought.

    Attributes:
        open: labels of the branches that have neither joined nor ended.
        results: last result of each branch that has joined, by label; {error} of one whose failure is collected.
        join_id: the join that its branches meet at, known when the first arrives.
        origin: the token that entered the parallel.
        failed: labels of the branches whose failure was collected.
    """

    open: list[str]
    origin: Token
    results: JsonObject = field(default_factory=dict[str, Json])
    join_id: str | None = None
    failed: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A command of the step function: have an activity do work.

    Attributes:
        key: names this work in the execution; it is the activity id in history.
        summary: what people see of it in Temporal's Web UI.
        activity: name of the activity.
        data: what the activity is given.
        timeout: seconds of one attempt.
        checkpoint: name of the checkpoint that its completion makes.
        call: which of several calls of one visit it is; part of the idempotency key.
    """

    kind: Literal["run"] = "run"
    key: str
    node_id: str
    visit: int
    summary: str
    activity: str
    data: JsonObject
    timeout: float | None
    retry: RetryPolicy
    checkpoint: str | None = None
    call: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A command of the step function: wait for a person, an outside event or a time.

    Attributes:
        what: what is waited for.
        data: as the node's kind resolved it.
        deadline: when the wait ends by itself; None for never.
        cut: of a wait for a time: the deadline is a timeout that comes before it.
        request_id: of the person's request.
        escalate_at: when further people are asked.
    """

    kind: Literal["wait"] = "wait"
    key: str
    node_id: str
    visit: int
    summary: str
    what: Literal["approval", "question", "event", "time"]
    data: JsonObject
    deadline: datetime | None = None
    cut: bool = False
    request_id: str | None = None
    escalate_at: datetime | None = None
    checkpoint: None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A command of the step function: run another execution, or one for each item of a list.

    Attributes:
        temporal_id: Temporal workflow id of the child.
        graph: what it runs.
        data: as the node's kind resolved it.
        given: the ``input`` of a map's items; empty when that is all of the execution's own.
        map: one execution for each item.
        seeds: from where it, or items of it, go on.
        deadline: when its time is over; None for never.
        index: of a sub-agent: which of those that the agent's visit has called.
        agents: as of ``Parent``.
    """

    kind: Literal["child"] = "child"
    key: str
    node_id: str
    visit: int
    summary: str
    temporal_id: str
    graph: GraphRef
    data: JsonObject
    given: JsonObject = field(default_factory=dict[str, Json])
    map: bool = False
    seeds: list[ChildSeed] = field(default_factory=list[ChildSeed])
    deadline: datetime | None = None
    index: int | None = None
    agents: list[str] = field(default_factory=list[str])
    checkpoint: None = None


Work: TypeAlias = Annotated[Run | Wait | Child, Discriminator("kind")]
"""What the step function commands."""


@dataclass(slots=True)
class InFlight:
    """Work that has been commanded and has not ended.

    Attributes:
        loop: the agent's loop that it belongs to, by id, or the call (``calls.CALL``).
        call: index of the tool call in the loop's present turn.
    """

    run: Work
    token: Token
    loop: str | None = None
    call: int | None = None


@dataclass(slots=True)
class Notice:
    """Something to tell people about a request: that it is open, urgent, or over.

    Attributes:
        status: how it ended; None when it is opened.
        escalated: asked again, of further people.
    """

    wait: Wait
    status: Literal["approved", "denied", "answered", "expired", "cancelled"] | None = None
    by: str = ""
    value: Json = None
    escalated: bool = False


@dataclass(slots=True)
class Turn:
    """What an execution is to do now.

    Attributes:
        works: work to start.
        notices: what to tell people about requests.
        go_on: it should go on in a new run, as soon as no activity is under way.
        wake_at: when to look again, should nothing happen before.
    """

    works: list[Work] = field(default_factory=list[Work])
    notices: list[Notice] = field(default_factory=list[Notice])
    go_on: bool = False
    wake_at: datetime | None = None


@dataclass(slots=True)
class Spent:
    """What an execution has used of its limits."""

    steps: int = 0
    tokens: int = 0
    cost: float = 0.0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The work of a node that ended well: what a reset may undo, keep or repeat.

    Attributes:
        key: of the work that ended it.
        data: what it was given.
        forks: where it stood (see ``Token``).
        scope: the names that expressions saw just after it, when its node declares a compensation.
    """

    key: str
    node_id: str
    visit: int
    data: JsonObject
    forks: tuple[str, ...]
    labels: tuple[str, ...]
    result: Json
    usage: Usage | None
    scope: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Where and when a step is made.

    Attributes:
        now: workflow time.
        lineage: id of the run in which the execution's present line began.
        temporal_id: the execution's Temporal workflow id.
        graph: the version that it runs.
    """

    now: datetime
    lineage: str = ""
    temporal_id: str = ""
    graph: GraphRef | None = None


@dataclass(slots=True)
class ExecutionState:
    """All that the next step depends on. Changed in place by the modules of the step function alone.

    Attributes:
        input: the input, patches applied.
        values: the graph's ``state``.
        execution: what expressions see of the execution: id, workflow_id, metadata.
        engine: the rules that it keeps to (see ``contracts.operations.Landing``).
        outputs: what each node returned last.
        visits: how often each node was entered.
        allowance: visits of a node that resumes have granted beyond its ``max_visits``.
        ready: tokens that are to enter or leave their node, in order.
        in_flight: work under way, by key.
        forks: parallels under way, by id.
        loops: agents with tools under way, by ``{node id}#{visit}``.
        due: loops (and the call) that have something to command, in order.
        call: the call of a voice graph; None for other graphs.
        dispatched: how many pieces of work were commanded so far.
        output: what ``end`` nodes have brought so far; None when none was reached.
        failure: why the execution fails.
        spent: use of the limits since they were last granted.
        usage: use of models over all.
        item: the item and its index, inside a map.
        pins: versions of the graphs that nodes name.
        depth: how many executions are above this one.
        agents: as of ``Parent``.
        done: results of an ended line that this one keeps, by ``{node id}#{visit}``.
        segment: results of a segment that the engine has not come to yet, by ``{node id}#{visit}``.
        seeds: children that go on from a checkpoint of theirs.
        inbox: outside events that no node has waited for yet, oldest first.
        heard: ids of the latest outside events.
        notices: what people are to be told.
        trace: the work that ended, when somebody listens; not part of what is stored.
        followed: how often each edge was followed, by id, when somebody listens; not part of what is stored.
    """

    input: Json
    values: JsonObject
    execution: JsonObject
    engine: int = 1
    outputs: JsonObject = field(default_factory=dict[str, Json])
    visits: dict[str, int] = field(default_factory=dict[str, int])
    allowance: dict[str, int] = field(default_factory=dict[str, int])
    ready: deque[Token] = field(default_factory=deque[Token])
    in_flight: dict[str, InFlight] = field(default_factory=dict[str, InFlight])
    forks: dict[str, Fork] = field(default_factory=dict[str, Fork])
    loops: dict[str, AgentLoop] = field(default_factory=dict[str, AgentLoop])
    due: list[str] = field(default_factory=list[str])
    call: Call | None = None
    dispatched: int = 0
    output: Json = None
    failure: NodeFailure | None = None
    spent: Spent = field(default_factory=Spent)
    usage: Usage = field(default_factory=Usage)
    item: JsonObject | None = None
    pins: dict[str, GraphRef] = field(default_factory=dict[str, GraphRef])
    depth: int = 0
    agents: list[str] = field(default_factory=list[str])
    done: dict[str, DoneWork] = field(default_factory=dict[str, DoneWork])
    segment: dict[str, DoneWork] = field(default_factory=dict[str, DoneWork])
    seeds: list[ChildSeed] = field(default_factory=list[ChildSeed])
    inbox: list[OutsideEvent] = field(default_factory=list[OutsideEvent])
    heard: list[str] = field(default_factory=list[str])
    notices: list[Notice] = field(default_factory=list[Notice])
    trace: list[Done] | None = None
    followed: dict[str, int] | None = None

    @property
    def ended(self) -> bool:
        """Nothing is left to do."""
        return self.failure is not None or not (self.ready or self.in_flight or self.loops)

    def scope(self) -> JsonObject:
        """Return the names that expressions and texts see."""
        return {
            "input": self.input,
            "state": self.values,
            "outputs": self.outputs,
            "execution": {**self.execution, "visits": self.visits},
            **(self.item or {}),
        }

    def follow(self, way: Way) -> str:
        """Return where an edge leads; who listens is told that it is followed."""
        if self.followed is not None:
            self.followed[way.id] = self.followed.get(way.id, 0) + 1
        return way.target

    def dump(self) -> JsonObject:
        """Return it as JSON, without seeds for visits that are over: nothing comes for them any more."""
        over = {
            place
            for place, seed in enumerate(self.seeds)
            if seed.visit <= self.visits.get(seed.node_id, 0) and f"{seed.node_id}#{seed.visit}" not in self.loops
        }
        return _ADAPTER.dump_python(self, mode="json", exclude={"trace": True, "followed": True, "seeds": over})

    @staticmethod
    def load(dumped: JsonObject) -> ExecutionState:
        """Return the state that ``dump`` gave."""
        return _ADAPTER.validate_python(dumped)


_ADAPTER = TypeAdapter(ExecutionState)
