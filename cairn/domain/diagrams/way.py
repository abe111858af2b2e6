"""The way that an execution has taken: which nodes worked, when, what failed, and which edges were followed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from temporalio.service import RPCError

from cairn.contracts.executions import GraphRef
from cairn.domain.diagrams.model import BoxState, Mark, Picture
from cairn.domain.executions.events import ExecutionEvent, Narrator
from cairn.domain.executions.service import ExecutionService
from cairn.graph.call_work import is_duration
from cairn.graph.state import ExecutionState
from cairn.temporal.checkpoints import Checkpoint, Projection
from cairn.temporal.connection import is_unknown
from cairn.temporal.events import Event
from cairn.temporal.task import Task


@dataclass(slots=True)
class Worked:
    """The work of a node over all its visits.

    Attributes:
        seconds: that it took, retries and waits for a worker included.
        since: when work began that has not ended.
        failed: its latest work failed.
    """

    seconds: float = 0.0
    since: datetime | None = None
    failed: bool = False


@dataclass(slots=True)
class TakenWay:
    """The way so far, in the execution's present line.

    Attributes:
        ref: the version that it runs; None when Temporal has nothing of it left.
        visits: how often each node was entered.
        worked: by node id.
        under_way: nodes whose work, wait or child has not ended.
        failed_at: the node that the execution failed at.
        followed: how often each edge was followed.
        checkpoints: oldest first.
    """

    ref: GraphRef | None = None
    visits: dict[str, int] = field(default_factory=dict[str, int])
    worked: dict[str, Worked] = field(default_factory=dict[str, Worked])
    under_way: frozenset[str] = frozenset()
    failed_at: str | None = None
    followed: Counter[str] = field(default_factory=Counter[str])
    checkpoints: Sequence[Checkpoint] = ()

    def add(self, execution_id: str, events: Sequence[Event], run_id: str, previous: Projection | None) -> None:
        """Take the history of a run, and what it left as the latest."""
        run = _Listening(run_id=run_id)
        for event in Narrator(execution_id, previous, run).tell(events):
            self._note(event)
        self.ref = run.engine.ref
        if run.engine.started:
            state = run.engine.state
            self.visits = state.visits
            over = run.closed is not None and run.closed.phase is not None
            self.under_way = frozenset() if over else _under_way(state)
            for node_id, worked in self.worked.items():
                if node_id not in self.under_way:
                    worked.since = None  # it was stopped, which no event tells
            self.failed_at = run.engine.failure.node_id if run.engine.failure else None
            self.followed.update(state.followed or {})

    def _note(self, event: ExecutionEvent) -> None:
        if event.node_id is None:
            return
        worked = self.worked.setdefault(event.node_id, Worked())
        if event.type == "node_started":
            worked.since, worked.failed = worked.since or event.at, False
        elif event.type in ("node_completed", "node_failed"):
            worked.failed = event.type == "node_failed"
            if worked.since is not None:
                worked.seconds += (event.at - worked.since).total_seconds()
                worked.since = None


def _under_way(state: ExecutionState) -> frozenset[str]:
    # The end of a call's time belongs to the node where it began, which the call may have left.
    works = (work.run.node_id for work in state.in_flight.values() if not is_duration(work))
    return frozenset(works) | frozenset(owner.rpartition("#")[0] for owner in state.loops)


class _Listening(Projection):
    """A projection whose engine tells which edges it follows."""

    def _turn(self, task: Task) -> None:
        if self.engine.started and self.engine.state.followed is None:
            self.engine.state.followed = {}
        super()._turn(task)


async def way_of(executions: ExecutionService, execution_id: str) -> TakenWay:
    """Return the way of an execution.

    Raises:
        NotFound: no such execution.
        Conflict: it has not reached Temporal yet.
        Unavailable: Temporal does not answer.
    """
    _, now = await executions.located(execution_id)
    projection = await executions.temporal.project(now)
    way = TakenWay(checkpoints=projection.checkpoints)
    for run in projection.runs:
        try:
            events = await executions.temporal.reader.events(now.temporal_id, run.run_id)
        except RPCError as error:
            if not is_unknown(error):
                raise
            continue  # retention has removed it; what the later ones tell is shown
        await asyncio.to_thread(way.add, execution_id, events, run.run_id, run.previous)
    return way


def marked(picture: Picture, way: TakenWay) -> Picture:
    """Return the picture with the way on it."""
    marks: dict[str | None, list[Mark]] = {}
    for checkpoint in way.checkpoints:
        marks.setdefault(checkpoint.node_id, []).append(Mark(checkpoint.id, checkpoint.step))
    begun = marks.pop(None, [])
    boxes = [
        replace(
            box,
            state=_state(box.id, way),
            note=_note(way.visits.get(box.id, 0), way.worked.get(box.id)),
            marks=(begun if box.kind in ("start", "startCall") else []) + marks.get(box.id, []),
        )
        for box in picture.boxes
    ]
    arrows = [replace(arrow, taken=way.followed.get(arrow.id, 0)) for arrow in picture.arrows]
    return replace(picture, boxes=boxes, arrows=arrows, of_execution=True)


def _state(node_id: str, way: TakenWay) -> BoxState:
    worked = way.worked.get(node_id)
    if way.failed_at == node_id or (worked is not None and worked.failed):
        return "failed"
    if node_id in way.under_way:
        return "running"
    return "reached" if way.visits.get(node_id) else "planned"


def _note(visits: int, worked: Worked | None) -> str:
    parts = [f"{visits} visits"] if visits > 1 else []
    if worked is not None and worked.seconds:
        parts.append(_duration(worked.seconds))
    if worked is not None and worked.since is not None:
        parts.append(f"since {worked.since:%H:%M:%S} UTC")
    return " · ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
