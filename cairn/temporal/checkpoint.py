"""One checkpoint: a place in an execution's history, and what the execution knew there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cairn.contracts.json import Json, JsonObject


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
    """

    input: Json
    state: JsonObject
    outputs: JsonObject
    engine: JsonObject
