"""What a reset comes to for one execution: the work after a checkpoint, its effects, what undoes them. Pure.

Of a child execution that a reset of its parent discards, all work is gone back over: it has no checkpoint to keep.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeVar

from cairn.contracts.calls import SPEAK
from cairn.contracts.executions import DoneWork
from cairn.contracts.json import JsonObject, digest
from cairn.contracts.nodes import CALL_MCP, HTTP_REQUEST, RUN_AGENT, RUN_TOOL, NodeCall, NodeResult
from cairn.contracts.resets import Compensated, RollbackStep, Undo
from cairn.graph.compiled import GraphNode
from cairn.graph.expressions import UNDO_NAMES, ExpressionError, compile_expression
from cairn.graph.state import Child, InFlight, Run
from cairn.temporal.checkpoints import Checkpoint, Done, Projection

T = TypeVar("T")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_AFFECT = frozenset({RUN_TOOL.name, CALL_MCP.name, HTTP_REQUEST.name, RUN_AGENT.name, SPEAK.name})
_NOT_DECLARED = "the node declares no compensation"
_UNDER_WAY = "the node had not ended"
_TIMED_OUT = "the node timed out, so that it may have been done"
_FAILED = "the node failed, so that it may have been done all the same"
_GOES_ON = "the agent goes on from its turns before the checkpoint"


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a node, from 1."""

    node_id: str
    visit: int
    name: str


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect in the outside world that a reset does not take back.

    Attributes:
        visit: of which visit.
        what: a tool's name, or method and URL of a request.
        status: it happened; it may have (its work failed); or its work is still under way.
        at: when its work ended, if it did.
        idempotency_key: that it was sent with.
        execution_id: the child execution whose effect it is; None for one of the execution itself.
    """

    visit: Visit
    what: str
    status: Literal["done", "uncertain", "running"]
    idempotency_key: str
    at: datetime | None = None
    execution_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoppedChild:
    """A child execution, or a map with all of its executions, that a reset stops."""

    visit: Visit
    temporal_id: str
    map: bool


class Aftermath:
    """All that happened in a line of an execution after a checkpoint of it, or all that ever did.

    Attributes:
        checkpoint: the checkpoint; None for all that happened.
        work: what ended after its point, newest first.
        now: the projection of the latest run.
        children: Temporal ids of the children that were started after the point, oldest first.
        child: (execution id, Temporal id) of a child execution; None for the execution that is reset.
        lost: Temporal has removed earlier runs, so that nobody knows what happened in them.
    """

    def __init__(
        self,
        runs: Sequence[Projection],
        checkpoint: Checkpoint | None,
        children: Sequence[str] = (),
        child: tuple[str, str] | None = None,
        *,
        lost: bool = False,
    ) -> None:
        """Take the run that holds the checkpoint and those that continue it, each made to capture the checkpoint."""
        self.checkpoint = checkpoint
        self.children = list(children)
        self.child = child
        self.lost = lost
        self.now = runs[-1]
        # The latest run may not have landed, and then has what the one before left; an execution may have ended so.
        landed = next((run for run in reversed(runs) if run.engine.started), None)
        self._flights = landed.engine.state.in_flight if landed is not None else dict[str, InFlight]()
        # A migration may have taken away nodes whose work has ended.
        self._nodes = {node.id: node for run in runs for node in _nodes_of(run)}
        self._unseen = self.now.ended_unseen()
        first = runs[0].done + (self._unseen if len(runs) == 1 else [])
        point, event_id = _place(checkpoint)
        ended = [work for work in first if work.event_id > point]
        ended += [work for run in runs[1:] for work in run.done]
        self.work = (ended + (self._unseen if len(runs) > 1 else []))[::-1]
        later = [(runs[0].run_id, work) for work in first if work.event_id > event_id]
        later += [(run.run_id, work) for run in runs[1:] for work in run.done]
        self._later = later + ([(self.now.run_id, work) for work in self._unseen] if len(runs) > 1 else [])
        snapshot = runs[0].state_at(checkpoint) if checkpoint is not None else None
        then: JsonObject = snapshot.engine["state"] if snapshot is not None else {"in_flight": {}, "loops": {}}
        self._keys_then = frozenset(then["in_flight"])
        self._loops_then = frozenset(then["loops"])
        self._branch = next((work for work in first if work.event_id == event_id and work.activity), None)
        runs_then = [flight["run"] for flight in then["in_flight"].values()]
        self.attached: list[str] = [run["temporal_id"] for run in runs_then if run["kind"] == "child"]
        """Temporal ids of the children that were at work at the point: the new line goes on waiting for them."""

    def runs_again(self, *, reuse_completed: bool) -> list[Visit]:
        """Return the visits whose work is done again, oldest first, as far as the execution takes the same way."""
        kept = set(self.kept()) if reuse_completed else set[Visit]()
        found = [self._visit(work.node_id, work.visit) for work in reversed(self.work)]
        found += [self._visit(flight.run.node_id, flight.run.visit) for flight in self._under_way()]
        return [visit for visit in dict.fromkeys(found) if visit not in kept]

    def kept(self) -> list[Visit]:
        """Return the visits in sibling branches whose results a reset with ``reuse_completed`` keeps, oldest first."""
        return [self._visit(work.node_id, work.visit) for work in reversed(self._siblings())]

    def completed_until(self, checkpoint: Checkpoint) -> list[Visit]:
        """Return the visits that completed from this checkpoint up to a later one, oldest first."""
        found: list[Visit] = []
        here = self.checkpoint.id if self.checkpoint is not None else ""
        for run_id, work in self._later if checkpoint.id != here else []:
            if work.whole is not None:
                found.append(self._visit(work.node_id, work.visit))
            if (run_id, work.event_id) == (checkpoint.run_id, checkpoint.event_id) and work.activity:
                break
        return found

    @property
    def names(self) -> dict[str, str]:
        """The nodes' names by their ids."""
        return {node_id: node.name for node_id, node in self._nodes.items()}

    @property
    def compensates(self) -> bool:
        """Whether a node of the graph declares a compensation, or of a version that was left."""
        return any(node.data.compensate is not None for node in self._nodes.values())

    @property
    def harmless(self) -> bool:
        """Whether the graph can have had no effect that a reset would have to tell of, nor children."""
        return bool(self._nodes) and not (self.compensates or any(_may_affect(node) for node in self._nodes.values()))

    def covered(self) -> set[tuple[str, int]]:
        """Return the visits of nodes with children that completed and declare a compensation: it is for the whole."""
        whole = (work for work in self.work if work.whole is not None)
        return {(w.node_id, w.visit) for w in whole if self._node(w.node_id).data.compensate is not None}

    def stopped_children(self) -> list[StoppedChild]:
        """Return the children under way that were started after the checkpoint."""
        return [
            StoppedChild(self._visit(child.node_id, child.visit), child.temporal_id, child.map)
            for key, flight in self._flights.items()
            if isinstance(child := flight.run, Child) and key not in self._keys_then
        ]

    def done_work(self) -> list[DoneWork]:
        """Return what finished siblings brought, in the form that a resumed execution takes."""
        return [
            DoneWork(
                node_id=work.node_id,
                visit=work.visit,
                digest=digest(work.whole.data),
                result=NodeResult(value=work.whole.result, usage=work.whole.usage).model_dump(),
            )
            for work in reversed(self._siblings())
            if work.whole is not None
        ]

    def effects(self) -> list[Effect]:
        """Return what happened outside after the point, or may have, newest first."""
        found = [
            Effect(
                self._visit(flight.run.node_id, flight.run.visit),
                what,
                "running",
                self._key(flight.run.node_id, flight.run.visit, self.now.engine.lineage or "", _call(flight)),
            )
            for flight in self._under_way()
            if (what := _effect_of_flight(flight)) is not None
        ] + [
            Effect(
                self._visit(work.node_id, work.visit),
                what,
                "done" if work.failure is None else "uncertain",
                self._key(work.node_id, work.visit, work.lineage, work.call),
                work.at,
            )
            for work in self.work
            if (what := effect_of(work.activity, work.data)) is not None
        ]
        return [replace(each, execution_id=self.child[0]) for each in found] if self.child else found

    def rollback(self, *, reuse_completed: bool) -> list[RollbackStep]:
        """Return the effects that a rollback goes back over, newest first, and what undoes each; none that is kept."""
        kept = set(self.kept()) if reuse_completed else set[Visit]()
        undone = {self._visit(work.node_id, work.visit) for work in self.work if work.whole is not None}
        steps: dict[tuple[str, Visit], RollbackStep] = {}
        for flight in self._under_way():
            visit = self._visit(flight.run.node_id, flight.run.visit)
            if self._node(visit.node_id).data.compensate is not None or _effect_of_flight(flight) is not None:
                steps["uncertain", visit] = self._uncertain(visit, _UNDER_WAY)
        for work in self.work:
            visit = self._visit(work.node_id, work.visit)
            step = None if visit in kept else self._step(work, visit, ended=visit in undone)
            if step is not None:
                what = step.undo.place if step.undo is not None else step.outcome.status if step.outcome else ""
                steps.setdefault((what, visit), step.model_copy(update={"at": work.at}))
        return [self._of_child(step) for step in steps.values()] if self.child else list(steps.values())

    def _of_child(self, step: RollbackStep) -> RollbackStep:
        """Say whose step it is."""
        execution_id, temporal_id = self.child or (None, None)
        told = {"execution_id": execution_id}
        return RollbackStep(
            undo=step.undo and step.undo.model_copy(update={**told, "temporal_id": temporal_id}),
            outcome=step.outcome and step.outcome.model_copy(update=told),
            at=step.at,
        )

    def _step(self, work: Done, visit: Visit, *, ended: bool) -> RollbackStep | None:
        """Return what is to be done, or reported, of a piece of work."""
        node = self._node(work.node_id)
        compensation = node.data.compensate
        affects = effect_of(work.activity, work.data) is not None
        if f"{work.node_id}#{work.visit}" in self._loops_then:
            # Its compensation would undo the turns as well that the new line goes on from.
            undoable = affects or compensation is not None
            return _reported(visit, "skipped", _GOES_ON, compensation and compensation.tool) if undoable else None
        if work.failure is not None:
            if work.failure.code == "timeout" and (affects or compensation is not None):
                return self._uncertain(visit, _TIMED_OUT)
            return self._uncertain(visit, _FAILED) if affects else None
        if compensation is None:
            return _reported(visit, "skipped", _NOT_DECLARED) if affects else None
        if work.whole is None or work.whole.scope is None:
            return self._uncertain(visit, _UNDER_WAY) if affects and not ended else None
        try:
            arguments = _evaluated(compensation.arguments, {**work.whole.scope, "result": work.whole.result})
        except ExpressionError as error:
            said = f"the arguments of its compensation cannot be evaluated: {error}"
            return _reported(visit, "failed", said, compensation.tool)
        return RollbackStep(
            undo=Undo(
                node_id=work.node_id,
                visit=work.visit,
                name=node.name,
                lineage=work.lineage,
                tool=compensation.tool,
                arguments=arguments,
                timeout=node.timeout,
            )
        )

    def _uncertain(self, visit: Visit, error: str) -> RollbackStep:
        compensation = self._node(visit.node_id).data.compensate
        return _reported(visit, "uncertain", error, compensation and compensation.tool)

    def _siblings(self) -> list[Done]:
        """Return the nodes that began and ended after the point, in other branches of the parallels around it.

        An agent that was in the middle of its turns at the point goes on from there, and so does its work again.
        """
        if self._branch is None:
            return []
        here = list(zip(self._branch.forks, self._branch.labels, strict=True))
        whole = (work for work in self.work if work.whole is not None and _apart(here, work))
        return [work for work in whole if f"{work.node_id}#{work.visit}" not in self._loops_then]

    def _under_way(self) -> list[InFlight]:
        ended = {work.key for work in self._unseen}
        return [flight for key, flight in self._flights.items() if key not in ended]

    def _node(self, node_id: str) -> GraphNode:
        return self._nodes[node_id]

    def _visit(self, node_id: str, visit: int) -> Visit:
        return Visit(node_id, visit, self._node(node_id).name)

    def _key(self, node_id: str, visit: int, lineage: str, call: str) -> str:
        start = self.now.engine.start
        call_of_node = NodeCall(
            execution_id=start.execution_id,
            temporal_id="",
            tenant=start.tenant,
            run_id="",
            lineage=lineage,
            node_id=node_id,
            visit=visit,
            call=call,
        )
        return call_of_node.idempotency_key


def newest_first(found: Iterable[T], at: Callable[[T], datetime | None]) -> list[T]:
    """Return what several executions tell, each newest first, as one: what has not ended comes before what has."""
    return sorted(found, key=lambda each: -math.inf if (when := at(each)) is None else -when.timestamp())


def _place(checkpoint: Checkpoint | None) -> tuple[int, int]:
    """Return the events after which work is done again, and after the checkpoint."""
    if checkpoint is None:
        return 0, 0
    return checkpoint.event_id if checkpoint.point is None else checkpoint.point, checkpoint.event_id


def _may_affect(node: GraphNode) -> bool:
    return node.kind.child is not None or (node.kind.activity is not None and node.kind.activity.name in _AFFECT)


def _nodes_of(run: Projection) -> list[GraphNode]:
    """Return the nodes of all versions that a run has gone by, those of the latest last."""
    engine = run.engine
    return [*engine.former.values(), *engine.graph.nodes.values()] if engine.started else []


def undoable_under_way(projection: Projection) -> bool:
    """Whether work is under way that could be undone once it has ended."""
    if not projection.engine.started:
        return False
    nodes = projection.engine.graph.nodes
    flights = projection.engine.state.in_flight.values()
    return any(nodes[f.run.node_id].data.compensate is not None for f in flights if isinstance(f.run, Run))


def effect_of(activity: str, data: JsonObject) -> str | None:
    """Return what a piece of work may do in the outside world, for a person; None when it changes nothing there."""
    match activity:
        case RUN_TOOL.name:
            return str(data["tool"])
        case CALL_MCP.name:
            return f"{data['server']}: {data['tool']}"
        case HTTP_REQUEST.name if data["method"] not in SAFE_METHODS:
            return f"{data['method']} {data['url']}"
        case RUN_AGENT.name if data.get("tools"):
            return f"tools of an agent: {', '.join(data['tools'])}"
        case _:
            return None


def _effect_of_flight(flight: InFlight) -> str | None:
    return effect_of(flight.run.activity, flight.run.data) if isinstance(flight.run, Run) else None


def _call(flight: InFlight) -> str:
    return flight.run.call if isinstance(flight.run, Run) else ""


def _evaluated(sources: JsonObject, scope: JsonObject) -> JsonObject:
    return {
        name: compile_expression(source, names=UNDO_NAMES).evaluate(scope) if isinstance(source, str) else source
        for name, source in sources.items()
    }


def _apart(here: list[tuple[str, str]], work: Done) -> bool:
    """Whether the work stands in another branch of a parallel that ``here`` is inside of."""
    for (fork, label), other_fork, other_label in zip(here, work.forks, work.labels, strict=False):
        if fork != other_fork:
            return False
        if label != other_label:
            return True
    return False


def _reported(
    visit: Visit, status: Literal["failed", "skipped", "uncertain"], error: str, tool: str | None = None
) -> RollbackStep:
    outcome = Compensated(
        node_id=visit.node_id, visit=visit.visit, name=visit.name, tool=tool, status=status, error=error
    )
    return RollbackStep(outcome=outcome)
