"""What happens to an execution, as the engine takes it (:mod:`cairn.temporal.history` reads it)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from temporalio.exceptions import RetryState

from cairn.contracts.children import MapResult
from cairn.contracts.executions import (
    Answer,
    Command,
    ExecutionInput,
    ExecutionResult,
    OutsideEvent,
    ParentCommand,
    Phase,
)
from cairn.contracts.nodes import NodeResult
from cairn.contracts.operations import Landing


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``id`` counts within the run, ``at`` is UTC."""

    id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Started(Event):
    """The run began.

    Attributes:
        continued_run_id: the run before, when this one continues it.
    """

    start: ExecutionInput
    original_run_id: str
    temporal_id: str = ""
    continued_run_id: str | None = None


@dataclass(frozen=True, slots=True)
class TaskStarted(Event):
    """A worker took a workflow task; ``at`` is the workflow's clock in it.

    Attributes:
        suggested: Temporal suggests to continue in a new run.
        size: bytes of the history so far.
    """

    suggested: bool = False
    size: int = 0


@dataclass(frozen=True, slots=True)
class TaskCompleted(Event):
    """A workflow task ended; it saw what stands before ``started_id``. A reset goes to such an event."""

    started_id: int


@dataclass(frozen=True, slots=True)
class WasReset(Event):
    """A reset made the run that goes on from here."""

    base_run_id: str
    new_run_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class TaskCutOff(Event):
    """A workflow task was under way when the run was closed from outside.

    Temporal writes this, the completions that came during the task and the close as one, so that a reset can go
    before all of them or none.
    """


@dataclass(frozen=True, slots=True)
class Landed(Event):
    """The workflow found out in which run it stands; ``clock`` is the workflow's after that, which took some time."""

    landing: Landing
    clock: datetime | None = None


@dataclass(frozen=True, slots=True)
class Commanded(Event):
    """A command was accepted; ``update_id`` names it in its run."""

    command: Command
    update_id: str = ""


@dataclass(frozen=True, slots=True)
class Signalled(Event):
    """A signal came."""

    signal: Answer | OutsideEvent | ParentCommand


@dataclass(frozen=True, slots=True)
class News(Event):
    """Something else of which Temporal tells the workflow: a timer, the start of a child."""


@dataclass(frozen=True, slots=True)
class LetGo(Event):
    """The cancellation of a node's work was commanded: from here on the workflow is told nothing of it."""

    scheduled_id: int


@dataclass(frozen=True, slots=True)
class ChildInitiated(Event):
    """The start of a child execution, or of a map, was commanded."""

    temporal_id: str


@dataclass(frozen=True, slots=True)
class ChildCompleted(Event):
    """A child execution, or a map, brought a result."""

    temporal_id: str
    result: ExecutionResult | MapResult


@dataclass(frozen=True, slots=True)
class ChildFailed(Event):
    """A child execution, or a map, ended otherwise."""

    temporal_id: str
    cause: BaseException


@dataclass(frozen=True, slots=True)
class WorkScheduled(Event):
    """A node's work was commanded."""

    key: str


@dataclass(frozen=True, slots=True)
class WorkStarted(Event):
    """A worker took a node's work (written when the work ends, after all its attempts)."""

    scheduled_id: int
    attempt: int


@dataclass(frozen=True, slots=True)
class WorkCompleted(Event):
    """A node's work brought a result."""

    scheduled_id: int
    result: NodeResult


@dataclass(frozen=True, slots=True)
class WorkFailed(Event):
    """A node's work failed for good, was cancelled or was parked."""

    scheduled_id: int
    cause: BaseException | None
    retry_state: RetryState | None


@dataclass(frozen=True, slots=True)
class Closed(Event):
    """The run ended.

    Attributes:
        phase: how; None when another run of the chain goes on.
        result: of a completed run.
        error: of a failed one.
    """

    phase: Phase | None
    result: ExecutionResult | None = None
    error: BaseException | None = None
    terminated: bool = False
