"""What the surfaces show of an execution."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cairn.contracts.json import Json, JsonObject
from cairn.contracts.resets import Compensated, ResetKind
from cairn.domain.calls.view import Call
from cairn.temporal.checkpoints import Checkpoint

Status = Literal["running", "completed", "failed", "cancelled", "paused"]

WAITING_FOR_TEMPORAL = "waiting for Temporal"


@dataclass(frozen=True, slots=True)
class TemporalLink:
    """Where an operator finds the execution."""

    workflow_id: str
    run_id: str | None
    url: str | None


@dataclass(slots=True)
class Children:
    """How many child executions a node has, by their status; ``waiting``: items of a map that are not started yet."""

    waiting: int = 0
    running: int = 0
    paused: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.waiting + self.running + self.paused + self.completed + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class ForkedFrom:
    """The checkpoint of another execution that a fork began at."""

    execution_id: str
    checkpoint_id: str


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution. ``checkpoints`` and ``children`` are None where only the row was read (lists).

    Attributes:
        workflow_id: uuid of the graph.
        version: number of the version it is pinned to.
        status_detail: the finer state, for a person.
        error: {code, message, node_id, visit, attempt, cause} of a failed one.
        usage: {requests, input_tokens, output_tokens, cost}.
        revision: +1 for each accepted command or observed reset.
        children: its child executions, by the id of the node that started them.
        call: of a voice graph.
    """

    id: str
    workflow_id: str
    version: int
    status: Status
    status_detail: str | None
    created_at: datetime
    updated_at: datetime
    input_data: Json
    output_data: Json
    error: JsonObject | None
    metadata: JsonObject
    revision: int
    parent_execution_id: str | None
    usage: JsonObject | None
    temporal: TemporalLink
    checkpoints: list[Checkpoint] | None = None
    forked_from: ForkedFrom | None = None
    children: dict[str, Children] | None = None
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class CheckpointState:
    """A checkpoint with what the execution knew at it."""

    execution_id: str
    checkpoint: Checkpoint
    input: Json
    state: JsonObject
    outputs: JsonObject


@dataclass(frozen=True, slots=True)
class StartExecution:
    """What a caller asks for.

    Attributes:
        workflow_id: id or uuid of a published graph.
        execution_id: chosen by the caller, or None.
        surface: through which it was asked.
        draft: run the graph's draft, as it is now; the published version when there is none.
    """

    workflow_id: str
    input_data: Json
    metadata: JsonObject = field(default_factory=dict[str, Json])
    execution_id: str | None = None
    surface: str = "omium"
    draft: bool = False


@dataclass(frozen=True, slots=True)
class ForkExecution:
    """A fork that a caller asks for. One of checkpoint id and name is given.

    Attributes:
        checkpoint_name: stands for the latest checkpoint of that name.
        execution_id: chosen by the caller, or None.
        metadata: None for those of the execution that is forked.
        surface: through which it was asked.
    """

    checkpoint_id: str | None = None
    checkpoint_name: str | None = None
    input_patch: Json = None
    state_patch: Json = None
    execution_id: str | None = None
    metadata: JsonObject | None = None
    surface: str = "omium"


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions a list shows; all given conditions hold. Times are UTC, both bounds inclusive.

    Attributes:
        parent_execution_id: children of this execution; None for executions that are no children.
    """

    workflow_id: str | None = None
    status: Status | None = None
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    created_after: datetime | None = None
    created_before: datetime | None = None
    parent_execution_id: str | None = None


@dataclass(frozen=True, slots=True)
class ResetCommand:
    """A replay or a rollback that a caller asks for. One of id and name is given.

    Attributes:
        checkpoint_name: stands for the latest checkpoint of that name.
        force: replay although the execution is running.
        reuse_completed: keep what finished siblings of the checkpoint's branch have brought.
    """

    kind: ResetKind
    checkpoint_id: str | None = None
    checkpoint_name: str | None = None
    input_patch: Json = None
    state_patch: Json = None
    expected_revision: int | None = None
    force: bool = False
    reuse_completed: bool = True


@dataclass(frozen=True, slots=True)
class ResetResult:
    """A reset that has landed.

    Attributes:
        execution: as it is afterwards.
        compensations: what became of the effects that a rollback went back over, newest first.
    """

    execution: Execution
    compensations: list[Compensated]
