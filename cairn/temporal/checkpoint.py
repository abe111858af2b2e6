"""One checkpoint: a place in an execution's history, and what the execution knew there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cairn.contracts.executions import ExecutionInput, GraphRef, execution_tag
from cairn.contracts.json import Json, JsonObject
from cairn.graph.compiled import Graph
from cairn.graph.engine import Engine
from cairn.graph.state import ExecutionState
from cairn.temporal.events import Event, WasReset


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One place that an execution can go back to.

    Attributes:
        id: the same over every reset to a later place; never means anything else.
        name: the author's.
        node_id: the node that completed; None for ``start``.
        created_at: when it completed.
        step: number of the checkpoint in the execution, from 0 for ``start``.
        event_id: the completion's event.
        point: the event to reset to; None while no workflow task has seen the completion.
        run_id: the run of the execution that it is in.
        shared: an earlier checkpoint has the same point, so a reset to it keeps both.
    """

    id: str
    name: str
    node_id: str | None
    created_at: datetime
    step: int
    event_id: int
    point: int | None = None
    shared: bool = False
    run_id: str = ""

    @property
    def resettable(self) -> bool:
        """Whether a reset can go there at this moment."""
        return self.point is not None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the execution knew at a checkpoint.

    Attributes:
        engine: all of it, as another execution can go on from it (``ExecutionInput.seed``).
        graph: the graph that ran.
        ref: which version that was; the execution may have moved to another one since.
    """

    input: Json
    state: JsonObject
    outputs: JsonObject
    engine: JsonObject
    graph: Graph
    ref: GraphRef

    @staticmethod
    def of(state: ExecutionState, engine: Engine) -> Snapshot:
        """Return what an execution knows in a state, by the version that its engine runs."""
        return Snapshot(state.input, state.values, state.outputs, {"state": state.dump()}, engine.graph, engine.ref)


@dataclass(frozen=True, slots=True)
class LeftRun:
    """What a run left that has gone on in a new one (continue-as-new): all that later ones need of it.

    Attributes:
        continued_run_id: the run that it continues itself.
        start: what it was started with, without what only its own steps needed.
        lineage: the line in which it ended.
        line_revision: the revision at which that line began.
        checkpoints: its own, their steps counted from its beginning.
        updates: ids of the commands that were accepted in it.
        closed_id: the event that ended it.
    """

    run_id: str
    continued_run_id: str | None
    original_run_id: str
    start: ExecutionInput
    lineage: str | None
    line_revision: int
    resets: list[WasReset]
    checkpoints: list[Checkpoint]
    updates: set[str]
    closed_id: int
    closed_at: datetime


def checkpoint_id(start: ExecutionInput, original_run_id: str, event: Event) -> str:
    """Return the id of the checkpoint that an event makes: the same in every run that a reset copies the event to."""
    place = f"{original_run_id}/{event.id}/{event.at.isoformat()}"
    digest = hashlib.sha256(place.encode()).hexdigest()[:16]
    return f"chk_{execution_tag(start.tenant, start.execution_id)}{digest}"
