"""The state of an execution: all that its next step depends on."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.executions import NodeFailure, Usage
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import NodeCall, NodeResult
from cairn.graph.nodes.base import RetryPolicy


@dataclass(slots=True)
class Token:
    """A place in the graph where the execution stands; several at a time inside a parallel.

    Attributes:
        node_id: the node it is about to enter, or whose work it waits for.
        forks: ids of the parallels that it is inside of, outermost first.
        labels: the label of its branch in each of them.
        last: what the node before returned.
        joined: it stands before a join with all branches in.
    """

    node_id: str
    forks: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    last: Json = None
    joined: bool = False


@dataclass(slots=True)
class Fork:
    """One passage through a parallel node: which branches are still under way, and what the others brought.

    Attributes:
        open: labels of the branches that have neither joined nor ended.
        results: last result of each branch that has joined, by label.
        join_id: the join that its branches meet at, known when the first arrives.
        origin: the token that entered the parallel.
    """

    open: list[str]
    origin: Token
    results: JsonObject = field(default_factory=dict[str, Json])
    join_id: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A command of the step function: have a node's work done.

    Attributes:
        key: names this work in the execution; it is the activity id in history.
        summary: what people see of it in Temporal's Web UI.
    """

    key: str
    node_id: str
    visit: int
    summary: str
    activity: ActivityRef[NodeCall, NodeResult]
    data: JsonObject
    timeout: float | None
    retry: RetryPolicy


@dataclass(slots=True)
class InFlight:
    """Work that has been commanded and has not ended."""

    run: Run
    token: Token


@dataclass(slots=True)
class Spent:
    """What an execution has used of its limits."""

    steps: int = 0
    tokens: int = 0
    cost: float = 0.0
    since: datetime | None = None


@dataclass(slots=True)
class ExecutionState:
    """All that the next step depends on. Changed in place by :mod:`cairn.graph.step` alone.

    Attributes:
        input: the input, patches applied.
        values: the graph's ``state``.
        outputs: what each node returned last.
        visits: how often each node was entered.
        allowance: visits of a node that resumes have granted beyond its ``max_visits``.
        ready: tokens that are to enter their node, in order.
        in_flight: work under way, by key.
        forks: parallels under way, by id.
        dispatched: how many pieces of work were commanded so far.
        output: what ``end`` nodes have brought so far; None when none was reached.
        failure: why the execution fails.
        spent: use of the limits since they were last granted.
        usage: use of models over all.
    """

    input: Json
    values: JsonObject
    execution: JsonObject
    outputs: JsonObject = field(default_factory=dict[str, Json])
    visits: dict[str, int] = field(default_factory=dict[str, int])
    allowance: dict[str, int] = field(default_factory=dict[str, int])
    ready: deque[Token] = field(default_factory=deque[Token])
    in_flight: dict[str, InFlight] = field(default_factory=dict[str, InFlight])
    forks: dict[str, Fork] = field(default_factory=dict[str, Fork])
    dispatched: int = 0
    output: Json = None
    failure: NodeFailure | None = None
    spent: Spent = field(default_factory=Spent)
    usage: Usage = field(default_factory=Usage)

    @property
    def ended(self) -> bool:
        """Nothing is left to do."""
        return self.failure is not None or not (self.ready or self.in_flight)

    def scope(self) -> JsonObject:
        """Return the names that expressions and texts see."""
        return {
            "input": self.input,
            "state": self.values,
            "outputs": self.outputs,
            "execution": {**self.execution, "visits": self.visits},
        }
