"""Lineage, impact and forks as omium takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.kit.body import leave_out_default
from api.omium.schemas.checkpoints import Checkpoint, Visit
from api.omium.schemas.executions import Compensated, MergePatch, Target
from api.omium.schemas.metadata import Metadata
from cairn.contracts.json import JsonObject
from cairn.domain.executions import impact, model


class ForkExecution(Target):
    """Start a new execution from a checkpoint; exactly one of `checkpoint_id` and `checkpoint_name` is given."""

    input_patch: MergePatch | None = None
    state_patch: MergePatch | None = None
    execution_id: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$",
        description="An id of the caller's choice for the new execution, unique for the tenant.",
        json_schema_extra=leave_out_default,
    )
    metadata: Metadata | None = Field(
        default=None, description="At most 16 KiB; when left out, those of the execution that is forked."
    )

    def command(self) -> model.ForkExecution:
        """Return what the domain is asked for."""
        return model.ForkExecution(
            checkpoint_id=self.checkpoint_id or None,
            checkpoint_name=self.checkpoint_name or None,
            input_patch=self.input_patch,
            state_patch=self.state_patch,
            execution_id=self.execution_id or None,
            metadata=self.metadata,
        )


class LineageEntry(BaseModel):
    """One reset."""

    model_config = ConfigDict(from_attributes=True)

    operation_id: str | None = Field(description="Null for a reset by Temporal's own tools.")
    kind: Literal["replay", "rollback", "reset"] = Field(description="`reset` is one by Temporal's own tools.")
    by: str = Field(description="The user or the key that asked for it; `temporal` for one by Temporal's own tools.")
    at: datetime
    checkpoint_id: str | None = Field(description="Where it went.")
    checkpoint_name: str | None
    from_run_id: str = Field(description="The run that was reset.")
    run_id: str = Field(description="The run that the reset made.")
    revision: int | None = Field(description="The execution's revision when the reset had landed.")
    reason: str | None = Field(description="What an operator gave as the reason.")
    compensations: list[Compensated] = Field(description="What a rollback undid, newest effect first.")
    stopped: list[str] = Field(description="Temporal ids of the child executions that it stopped.")


class Lineage(BaseModel):
    """Where an execution comes from."""

    model_config = ConfigDict(from_attributes=True)

    execution_id: str
    run_id: str | None = Field(description="The present run in Temporal.")
    forked_from_execution_id: str | None
    forked_from_checkpoint_id: str | None
    resets: list[LineageEntry] = Field(description="Oldest first.")


class Effect(Visit):
    """Something that happened in the outside world, or may have."""

    what: str = Field(description="A tool's name, or method and URL of a request.")
    status: Literal["done", "uncertain", "running"] = Field(
        description="It happened; it may have, since its work failed; or its work is still under way."
    )
    idempotency_key: str = Field(description="The key that it was sent with.")
    at: datetime | None = Field(description="When its work ended.")
    execution_id: str | None = Field(description="The child execution that had it; null for the execution itself.")


class Undo(Visit):
    """An undo that a rollback would make."""

    tool: str
    arguments: JsonObject
    execution_id: str | None = Field(description="The child execution whose effect it undoes; null for its own.")


class StoppedChild(Visit):
    """A child execution, or a map with all of its executions, that the reset would stop."""

    temporal_id: str
    map: bool


class Impact(BaseModel):
    """What a reset to a checkpoint would come to."""

    execution_id: str
    checkpoint: Checkpoint
    runs_again: list[Visit] = Field(description="Done again after the resume, oldest first.")
    kept: list[Visit] = Field(description="In other branches of the same parallel: their results are kept.")
    effects: list[Effect] = Field(
        description="What happened outside after the checkpoint, in children too, newest first."
    )
    compensations: list[Undo] = Field(description="What a rollback would undo, in this order.")
    not_undone: list[Compensated] = Field(description="What a rollback could not undo, newest first.")
    children: list[StoppedChild] = Field(description="Child executions that it would stop.")

    @classmethod
    def of(cls, found: impact.Impact) -> Impact:
        """Make it of what the domain found."""
        return cls(
            execution_id=found.execution_id,
            checkpoint=Checkpoint.model_validate(found.checkpoint),
            runs_again=[Visit.model_validate(each) for each in found.runs_again],
            kept=[Visit.model_validate(each) for each in found.kept],
            effects=[
                Effect(
                    node_id=each.visit.node_id,
                    visit=each.visit.visit,
                    name=each.visit.name,
                    what=each.what,
                    status=each.status,
                    idempotency_key=each.idempotency_key,
                    at=each.at,
                    execution_id=each.execution_id,
                )
                for each in found.effects
            ],
            compensations=[Undo.model_validate(each, from_attributes=True) for each in found.compensations],
            not_undone=[Compensated.model_validate(each, from_attributes=True) for each in found.not_undone],
            children=[
                StoppedChild(
                    node_id=each.visit.node_id,
                    visit=each.visit.visit,
                    name=each.visit.name,
                    temporal_id=each.temporal_id,
                    map=each.map,
                )
                for each in found.children
            ],
        )
