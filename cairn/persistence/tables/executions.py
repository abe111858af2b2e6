"""Table ``executions``."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint
from sqlmodel import Field

from cairn.contracts.json import Json, JsonObject
from cairn.persistence.tables.base import TenantRow
from cairn.persistence.types import BigId, JsonDocument, JsonIndexed, UtcDateTime, utc_now


class ExecutionRow(TenantRow, table=True):
    """What lists show of an execution; Temporal holds the truth.

    Attributes:
        key: number in the order of creation.
        id: the id that callers see, unique within the tenant.
        temporal_id: the Temporal workflow id.
        tag: what the ids of its checkpoints begin with (``contracts.executions.execution_tag``).
        run_id: the Temporal run that was current when the row was written.
        workflow_uuid: uuid of the graph.
        version_id: the pinned version; ``version`` is its number.
        digest: of the definition that it was started with; None for the version's.
        surface: the surface that started it.
        user_id: for whom it works, as its use of models is accounted; a child has its parent's.
        status_detail: the finer state, for a person.
        metadata_: the caller's metadata (column ``metadata``).
        revision: +1 for each accepted command or observed reset.
        started: Temporal acknowledged the start.
        parent_node_id: of a child: the node of the parent that started it; ``parent_visit`` is which visit of it.
        parent_map_id: of an item of a map: Temporal workflow id of the map; ``parent_index`` is which item.
        pins: versions of the graphs that its nodes name, by name: those that were published when it first began.
        work_digest: of a child: digest of what it works on (``contracts.children.work_digest``).
        forked_from_execution_id: the execution that it began as a fork of, at ``forked_from_checkpoint_id``.
        seed: the engine's state that a fork starts from; kept until Temporal has it.
    """

    __tablename__ = "executions"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint(
            "status IN ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled')", name="status"
        ),
        UniqueConstraint("tenant", "id"),
        Index(None, "tenant", "live", "created_at", "key"),
        Index(None, "tenant", "live", "status", "created_at", "key"),
        Index(None, "tenant", "live", "workflow_uuid", "created_at", "key"),
        Index(None, "tenant", "live", "parent_execution_id", "created_at", "key"),
        Index(None, "parent_map_id", "parent_index"),
        Index(None, "status", "key"),
        Index(
            None,
            "metadata",
            postgresql_using="gin",
            postgresql_ops={"metadata": "jsonb_path_ops"},
            info={"dialect": "postgresql"},
        ).ddl_if(dialect="postgresql"),
        {"sqlite_autoincrement": True},
    )

    key: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    id: str
    temporal_id: str = Field(unique=True)
    tag: str = Field(index=True)
    run_id: str | None = None
    graph_id: int = Field(foreign_key="graphs.id", index=True, sa_type=BigId)
    workflow_uuid: str
    version_id: int = Field(foreign_key="graph_versions.id", index=True, sa_type=BigId)
    version: int
    digest: str | None = None
    surface: str
    user_id: str | None = None
    status: str = "pending"
    status_detail: str | None = None
    input_data: Json = Field(default_factory=dict, sa_type=JsonDocument, nullable=True)
    output_data: Json = Field(default=None, sa_type=JsonDocument, nullable=True)
    error: JsonObject | None = Field(default=None, sa_type=JsonDocument)
    metadata_: JsonObject = Field(default_factory=dict, sa_column=Column("metadata", JsonIndexed, nullable=False))
    usage: JsonObject | None = Field(default=None, sa_type=JsonDocument)
    revision: int = 0
    parent_execution_id: str | None = Field(default=None, index=True)
    parent_node_id: str | None = None
    parent_visit: int | None = None
    parent_map_id: str | None = None
    parent_index: int | None = None
    work_digest: str | None = None
    pins: JsonObject | None = Field(default=None, sa_type=JsonDocument)
    started: bool = False
    forked_from_execution_id: str | None = None
    forked_from_checkpoint_id: str | None = None
    seed: JsonObject | None = Field(default=None, sa_type=JsonDocument)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
