"""Executions as omium takes and shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator

from api.kit.body import INTEGRAL, Body, OptionalText, leave_out_default
from api.omium.schemas.calls import Call
from api.omium.schemas.checkpoints import Checkpoint
from api.omium.schemas.metadata import Metadata
from cairn.contracts.json import Json, JsonObject
from cairn.domain.executions import model
from cairn.domain.executions.model import ResetCommand, StartExecution, Status
from cairn.persistence.paging import Page

Revision = Annotated[
    int, Field(ge=0, le=2**53, description="Refuse with 409 unless the execution is at this revision."), INTEGRAL
]
MergePatch = Annotated[JsonObject, Field(description="RFC 7396 merge patch.")]


class TemporalLink(BaseModel):
    """Where an operator finds the execution."""

    model_config = ConfigDict(from_attributes=True)

    workflow_id: str
    run_id: str | None
    url: str | None = Field(description="Page in the Temporal Web UI.")


class Usage(BaseModel):
    """Use of models."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = Field(default=None, description="US dollars, where the price is known.")


class ForkedFrom(BaseModel):
    """The checkpoint of another execution that a fork began at."""

    model_config = ConfigDict(from_attributes=True)

    execution_id: str
    checkpoint_id: str


class Execution(BaseModel):
    """An execution as lists show it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    workflow_id: str = Field(description="uuid of the graph.")
    version: int = Field(description="Number of the graph's version that the execution is pinned to.")
    status: Status
    status_detail: str | None = Field(description="The finer state, for a person.")
    created_at: datetime
    updated_at: datetime
    input_data: Json
    output_data: Json
    error: JsonObject | None = Field(description="Of a failed one: code, message, node_id, visit, attempt, cause.")
    metadata: JsonObject
    revision: int = Field(description="One more for each accepted command and each reset, never for a step.")
    parent_execution_id: str | None
    forked_from: ForkedFrom | None = Field(default=None, description="Of a fork: where it began.")
    usage: Usage | None
    temporal: TemporalLink


class Children(BaseModel):
    """How many child executions a node has."""

    model_config = ConfigDict(from_attributes=True)

    total: int
    waiting: int = Field(description="Items of a map that have not been started yet.")
    running: int
    paused: int
    completed: int
    failed: int
    cancelled: int


class ExecutionDetail(Execution):
    """An execution with its checkpoints, as Temporal has it at this moment."""

    checkpoints: list[Checkpoint] = Field(description="Oldest first.")
    children: dict[str, Children] | None = Field(
        description="By the id of the node that started them; `GET /executions?parent_execution_id=…` lists them."
    )
    call: Call | None = Field(description="Of a voice graph: how its call stands, and what was said.")

    @computed_field
    @property
    def checkpoint_count(self) -> int:
        """How many checkpoints there are."""
        return len(self.checkpoints)

    @computed_field
    @property
    def current_checkpoint_id(self) -> str | None:
        """The latest checkpoint."""
        return self.checkpoints[-1].id if self.checkpoints else None

    @computed_field
    @property
    def last_successful_checkpoint_id(self) -> str | None:
        """The latest checkpoint that can be reset to at this moment."""
        return next((c.id for c in reversed(self.checkpoints) if c.resettable), None)


class ExecutionList(BaseModel):
    """A page of executions, newest first."""

    model_config = ConfigDict(from_attributes=True)

    items: list[Execution]
    total: int
    page: int
    page_size: int
    anchor: int | None = Field(description="Sent with the next page, it keeps later executions out of the pages.")

    @computed_field
    @property
    def executions(self) -> list[Execution]:
        """The same as `items`."""
        return self.items


class CreateExecution(Body):
    """Start an execution of a published graph."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "workflow_id": "workflow_xyz",
                    "input_data": {"query": "Research quantum computing advancements"},
                    "metadata": {"user_id": "user_123", "priority": "high"},
                }
            ]
        }
    )

    workflow_id: str = Field(min_length=1, max_length=255, description="Id or uuid of a published graph.")
    input_data: JsonObject = Field(
        default_factory=dict, description="Checked against the graph's input schema, where it has one."
    )
    metadata: Metadata = Field(
        default_factory=dict, description="At most 16 KiB; comes back on every read, is a filter of the list."
    )
    execution_id: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$",
        description="An id of the caller's choice, unique for the tenant.",
        json_schema_extra=leave_out_default,
    )

    def command(self) -> StartExecution:
        """Return what the domain is asked for."""
        return StartExecution(self.workflow_id, self.input_data, self.metadata, self.execution_id or None, "omium")


class Command(Body):
    """A command to an execution."""

    expected_revision: Revision | None = None


class Migration(Command):
    """Go on by another version of the graph."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1, description="Number of the version."), INTEGRAL]


class PatchExecution(Command):
    """Change the input or the state of a paused execution."""

    input_patch: MergePatch | None = None
    state_patch: MergePatch | None = None


def _one_of_both(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"required": ["checkpoint_id"]}, {"required": ["checkpoint_name"]}]


class Target(Body):
    """A checkpoint; exactly one of `checkpoint_id` and `checkpoint_name` is given."""

    model_config = ConfigDict(json_schema_extra=_one_of_both)

    checkpoint_id: OptionalText = ""
    checkpoint_name: OptionalText = Field(default="", description="The latest checkpoint of this name.")

    @model_validator(mode="before")
    @classmethod
    def _names_one(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and ("checkpoint_id" in data) == ("checkpoint_name" in data):
            raise ValueError("give exactly one of checkpoint_id and checkpoint_name")
        return data  # pyright: ignore[reportUnknownVariableType]

    @property
    def target(self) -> str:
        """The checkpoint as the caller named it."""
        return self.checkpoint_id or self.checkpoint_name


class Reset(Target, PatchExecution):
    """Go back to a checkpoint; exactly one of `checkpoint_id` and `checkpoint_name` is given."""

    reuse_completed: bool = Field(
        default=True,
        description="Keep what other branches of the same parallel have brought since; false does it again.",
    )

    def command(self, kind: Literal["replay", "rollback"], *, force: bool = False) -> ResetCommand:
        """Return what the domain is asked for."""
        return ResetCommand(
            kind=kind,
            checkpoint_id=self.checkpoint_id or None,
            checkpoint_name=self.checkpoint_name or None,
            input_patch=self.input_patch,
            state_patch=self.state_patch,
            expected_revision=self.expected_revision,
            force=force,
            reuse_completed=self.reuse_completed,
        )


class Replay(Reset):
    """Go back to a checkpoint and run on."""

    force: bool = Field(default=False, description="Also when the execution is running.")


class Rollback(Reset):
    """Go back to a checkpoint and stay paused."""


class Compensated(BaseModel):
    """What became of one effect that a rollback went back over."""

    model_config = ConfigDict(from_attributes=True)

    node_id: str
    visit: int
    name: str
    tool: str | None = Field(description="What undoes the effect; null when its node declares no compensation.")
    status: Literal["done", "failed", "skipped", "uncertain"] = Field(
        description="Undone; the undo failed; nothing undoes it; or it is not known whether there was an effect."
    )
    error: str | None = Field(description="Why it was not undone.")
    execution_id: str | None = Field(
        default=None, description="The child execution whose node it is; null for a node of the execution itself."
    )


class ResetReply(BaseModel):
    """A reset that has landed."""

    id: str
    status: Status
    message: str
    metadata: JsonObject
    revision: int

    @classmethod
    def of(cls, execution: model.Execution, message: str) -> Self:
        """Make it of the execution as it is afterwards."""
        return cls(
            id=execution.id,
            status=execution.status,
            message=message,
            metadata=execution.metadata,
            revision=execution.revision,
        )


class RollbackReply(ResetReply):
    """A rollback that has landed."""

    compensations: list[Compensated] = Field(default_factory=list[Compensated], description="Newest effect first.")

    @classmethod
    def made(cls, result: model.ResetResult, message: str) -> Self:
        """Make it of the rollback's result."""
        reply = cls.of(result.execution, message)
        reply.compensations = [Compensated.model_validate(each, from_attributes=True) for each in result.compensations]
        return reply


class ReplayReply(ResetReply):
    """A replay that has landed."""

    @computed_field
    @property
    def replay_execution_id(self) -> str:
        """The same id: a replay is the same execution."""
        return self.id


def execution_list(page: Page[Any]) -> ExecutionList:
    """Return the page in omium's envelope."""
    return ExecutionList.model_validate(page)
