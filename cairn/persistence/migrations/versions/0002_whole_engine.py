"""Tables of the whole engine: requests to people, resets, schedules, children."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON()
JSON_INDEXED = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("executions", sa.Column("forked_from_execution_id", TEXT, nullable=True))
    op.add_column("executions", sa.Column("forked_from_checkpoint_id", TEXT, nullable=True))
    op.add_column("executions", sa.Column("seed", JSON, nullable=True))
    op.add_column("executions", sa.Column("parent_node_id", TEXT, nullable=True))
    op.add_column("executions", sa.Column("parent_visit", sa.Integer(), nullable=True))
    op.add_column("executions", sa.Column("parent_map_id", TEXT, nullable=True))
    op.add_column("executions", sa.Column("parent_index", sa.Integer(), nullable=True))
    op.add_column("executions", sa.Column("work_digest", TEXT, nullable=True))
    op.add_column("executions", sa.Column("pins", JSON, nullable=True))
    op.create_index(
        op.f("ix_executions_tenant_live_parent_execution_id_created_at_key"),
        "executions",
        ["tenant", "live", "parent_execution_id", "created_at", "key"],
        unique=False,
    )
    op.create_index(
        op.f("ix_executions_parent_map_id_parent_index"),
        "executions",
        ["parent_map_id", "parent_index"],
        unique=False,
    )

    op.create_table(
        "resets",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("temporal_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("checkpoint_id", TEXT, nullable=False),
        sa.Column("checkpoint_name", TEXT, nullable=False),
        sa.Column("base_run_id", TEXT, nullable=False),
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("requested_by", TEXT, nullable=False),
        sa.Column("compensations", JSON, nullable=False),
        sa.Column("stopped", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("kind IN ('replay', 'rollback')", name=op.f("ck_resets_kind")),
        sa.PrimaryKeyConstraint("operation_id", name=op.f("pk_resets")),
    )
    op.create_index(op.f("ix_resets_temporal_id"), "resets", ["temporal_id"], unique=False)

    op.create_table(
        "compensations",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("temporal_id", TEXT, nullable=False),
        sa.Column("lineage", TEXT, nullable=False),
        sa.Column("node_id", TEXT, nullable=False),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("tool", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("error", TEXT, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("status IN ('done', 'failed')", name=op.f("ck_compensations_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compensations")),
        sa.UniqueConstraint(
            "temporal_id",
            "lineage",
            "node_id",
            "visit",
            name=op.f("uq_compensations_temporal_id_lineage_node_id_visit"),
        ),
    )

    op.create_table(
        "requests",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("key", ID, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("execution_id", TEXT, nullable=False),
        sa.Column("temporal_id", TEXT, nullable=False),
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("lineage", TEXT, nullable=False),
        sa.Column("node_id", TEXT, nullable=False),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("prompt", TEXT, nullable=False),
        sa.Column("tool_id", TEXT, nullable=True),
        sa.Column("tool_name", TEXT, nullable=True),
        sa.Column("agent_id", TEXT, nullable=True),
        sa.Column("conversation_id", TEXT, nullable=True),
        sa.Column("arguments", JSON, nullable=True),
        sa.Column("schema", JSON, nullable=True),
        sa.Column("assignees", JSON, nullable=False),
        sa.Column("escalated", sa.Boolean(), nullable=False),
        sa.Column("notify", TEXT, nullable=True),
        sa.Column("notified_at", TIME, nullable=True),
        sa.Column("notify_error", TEXT, nullable=True),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("resolved_at", TIME, nullable=True),
        sa.Column("resolved_by", TEXT, nullable=True),
        sa.Column("decision", TEXT, nullable=True),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("modified_arguments", JSON, nullable=True),
        sa.Column("answer", JSON, nullable=True),
        sa.Column("waited", sa.Float(), nullable=True),
        sa.CheckConstraint("kind IN ('approval', 'question')", name=op.f("ck_requests_kind")),
        sa.CheckConstraint(
            "status IN ('pending', 'approved', 'denied', 'answered', 'expired', 'cancelled')",
            name=op.f("ck_requests_status"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_requests")),
        sa.UniqueConstraint("id", name=op.f("uq_requests_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_requests_tenant_live_kind_status_key"),
        "requests",
        ["tenant", "live", "kind", "status", "key"],
        unique=False,
    )
    op.create_index(
        op.f("ix_requests_tenant_live_tool_id_status"),
        "requests",
        ["tenant", "live", "tool_id", "status"],
        unique=False,
    )
    op.create_index(op.f("ix_requests_temporal_id_status"), "requests", ["temporal_id", "status"], unique=False)

    op.create_table(
        "schedules",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("key", ID, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("graph_id", ID, nullable=False),
        sa.Column("workflow_uuid", TEXT, nullable=False),
        sa.Column("input_data", JSON, nullable=True),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("spec", JSON, nullable=False),
        sa.Column("overlap", TEXT, nullable=False),
        sa.Column("catchup_window_seconds", sa.Integer(), nullable=False),
        sa.Column("pause_on_failure", sa.Boolean(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("note", TEXT, nullable=True),
        sa.Column("state_asked", sa.Boolean(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("applied", sa.Integer(), nullable=False),
        sa.Column("payload_key", TEXT, nullable=True),
        sa.Column("deleting", sa.Boolean(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint(
            "overlap IN ('skip', 'buffer_one', 'buffer_all', 'cancel_other', 'terminate_other', 'allow_all')",
            name=op.f("ck_schedules_overlap"),
        ),
        sa.ForeignKeyConstraint(["graph_id"], ["graphs.id"], name=op.f("fk_schedules_graph_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_schedules")),
        sa.UniqueConstraint("id", name=op.f("uq_schedules_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_schedules_graph_id"), "schedules", ["graph_id"], unique=False)
    op.create_index(
        op.f("ix_schedules_tenant_live_created_at_key"),
        "schedules",
        ["tenant", "live", "created_at", "key"],
        unique=False,
    )

    op.create_table(
        "stream_chunks",
        sa.Column("temporal_id", TEXT, nullable=False),
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("node_id", TEXT, nullable=False),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("scheduled_at", TIME, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("call", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("restart", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint(
            "temporal_id",
            "run_id",
            "node_id",
            "visit",
            "scheduled_at",
            "attempt",
            "number",
            name=op.f("pk_stream_chunks"),
        ),
    )
    op.create_index(op.f("ix_stream_chunks_created_at"), "stream_chunks", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_table("stream_chunks")
    op.drop_table("schedules")
    op.drop_table("requests")
    op.drop_table("compensations")
    op.drop_table("resets")
    op.drop_index(op.f("ix_executions_parent_map_id_parent_index"), table_name="executions")
    op.drop_index(op.f("ix_executions_tenant_live_parent_execution_id_created_at_key"), table_name="executions")
    for column in ("pins", "work_digest", "parent_index", "parent_map_id", "parent_visit", "parent_node_id"):
        op.drop_column("executions", column)
    for column in ("seed", "forked_from_checkpoint_id", "forked_from_execution_id"):
        op.drop_column("executions", column)
