"""Checkpoints as omium shows them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from cairn.contracts.json import Json, JsonObject
from cairn.domain.executions import comparison, model


class Checkpoint(BaseModel):
    """A place in an execution's history that it can be replayed from or rolled back to."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str = Field(description="The node's name, or the name its author gave; the first is always `start`.")
    created_at: datetime
    node_id: str | None = None
    step: int = Field(description="How many checkpoints came before.")
    resettable: bool = Field(description="False for the moment in which the history has no place to reset to yet.")
    shared: bool = Field(description="True when a reset to the checkpoint before keeps this one, too.")


class Visit(BaseModel):
    """One visit of a node."""

    model_config = ConfigDict(from_attributes=True)

    node_id: str
    visit: int = Field(description="Counted from 1.")
    name: str


class Difference(BaseModel):
    """How another checkpoint differs."""

    from_id: str
    to_id: str
    patch: list[JsonObject] = Field(
        description="RFC 6902 operations that make {input, state, outputs} here into those at the other checkpoint."
    )
    completed: list[Visit] = Field(description="What completed between the two, oldest first.")


class CheckpointState(Checkpoint):
    """A checkpoint with what the execution knew there."""

    execution_id: str
    state: JsonObject
    input: Json
    outputs: JsonObject = Field(description="What each node had returned, by node id.")
    diff: Difference | None = Field(default=None, description="With the query parameter `diff`.")

    @classmethod
    def of(cls, found: model.CheckpointState, difference: comparison.Difference | None = None) -> CheckpointState:
        """Make it of what the domain found."""
        place = Checkpoint.model_validate(found.checkpoint).model_dump()
        diff = None if difference is None else Difference.model_validate(difference, from_attributes=True)
        return cls(**place, **_known(found), execution_id=found.execution_id, diff=diff)


class StoredCheckpoint(Checkpoint):
    """A checkpoint found by its id alone; `state`, `input` and `outputs` come with `include_state=true`."""

    execution_id: str
    state: JsonObject | None = None
    input: Json = None
    outputs: JsonObject | None = None

    @classmethod
    def of(cls, found: model.CheckpointState, include_state: bool) -> StoredCheckpoint:
        """Make it of what the domain found."""
        place = Checkpoint.model_validate(found.checkpoint).model_dump()
        return cls(**place, **(_known(found) if include_state else {}), execution_id=found.execution_id)


class CheckpointList(BaseModel):
    """Checkpoints of one execution, oldest first."""

    checkpoints: list[Checkpoint]
    total: int
    limit: int
    offset: int


def _known(found: model.CheckpointState) -> JsonObject:
    return {"state": found.state, "input": found.input, "outputs": found.outputs}
