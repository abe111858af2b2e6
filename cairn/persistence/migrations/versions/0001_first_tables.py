"""The first tables: graphs and their versions, executions, API keys, idempotency records."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON()
JSON_INDEXED = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("prefix", TEXT, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("user_id", TEXT, nullable=True),
        sa.Column("principal", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.CheckConstraint("principal IN ('human', 'service')", name=op.f("ck_api_keys_principal")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_index(op.f("ix_api_keys_tenant"), "api_keys", ["tenant"], unique=False)

    op.create_table(
        "graphs",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("uuid", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("folder_id", ID, nullable=True),
        sa.Column("configuration", JSON, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("status IN ('active', 'archived')", name=op.f("ck_graphs_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_graphs")),
        sa.UniqueConstraint("uuid", name=op.f("uq_graphs_uuid")),
    )
    op.create_index(op.f("ix_graphs_tenant_live_status_id"), "graphs", ["tenant", "live", "status", "id"], unique=False)

    op.create_table(
        "idempotency",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("method", TEXT, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("idempotency_key", TEXT, nullable=False),
        sa.Column("request_hash", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("locked_until", TIME, nullable=False),
        sa.Column("resource_id", TEXT, nullable=True),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("headers", JSON, nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("state IN ('in_flight', 'done')", name=op.f("ck_idempotency_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"], unique=False)

    op.create_table(
        "graph_triggers",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("graph_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["graph_id"], ["graphs.id"], name=op.f("fk_graph_triggers_graph_id")),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_graph_triggers")),
    )
    op.create_index(op.f("ix_graph_triggers_graph_id"), "graph_triggers", ["graph_id"], unique=False)

    op.create_table(
        "graph_versions",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("graph_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("definition", JSON, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("node_count", sa.Integer(), nullable=False),
        sa.Column("author", TEXT, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("published_at", TIME, nullable=True),
        sa.CheckConstraint("status IN ('draft', 'published', 'archived')", name=op.f("ck_graph_versions_status")),
        sa.ForeignKeyConstraint(["graph_id"], ["graphs.id"], name=op.f("fk_graph_versions_graph_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_graph_versions")),
        sa.UniqueConstraint("graph_id", "version", name=op.f("uq_graph_versions_graph_id_version")),
    )
    op.create_index(
        "uq_graph_versions_draft",
        "graph_versions",
        ["graph_id"],
        unique=True,
        sqlite_where=sa.text("status = 'draft'"),
        postgresql_where=sa.text("status = 'draft'"),
    )
    op.create_index(
        "uq_graph_versions_published",
        "graph_versions",
        ["graph_id"],
        unique=True,
        sqlite_where=sa.text("status = 'published'"),
        postgresql_where=sa.text("status = 'published'"),
    )

    op.create_table(
        "executions",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("key", ID, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("temporal_id", TEXT, nullable=False),
        sa.Column("tag", TEXT, nullable=False),
        sa.Column("run_id", TEXT, nullable=True),
        sa.Column("graph_id", ID, nullable=False),
        sa.Column("workflow_uuid", TEXT, nullable=False),
        sa.Column("version_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("surface", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("status_detail", TEXT, nullable=True),
        sa.Column("input_data", JSON, nullable=True),
        sa.Column("output_data", JSON, nullable=True),
        sa.Column("error", JSON, nullable=True),
        sa.Column("metadata", JSON_INDEXED, nullable=False),
        sa.Column("usage", JSON, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("parent_execution_id", TEXT, nullable=True),
        sa.Column("started", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_executions_status"),
        ),
        sa.ForeignKeyConstraint(["graph_id"], ["graphs.id"], name=op.f("fk_executions_graph_id")),
        sa.ForeignKeyConstraint(["version_id"], ["graph_versions.id"], name=op.f("fk_executions_version_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_executions")),
        sa.UniqueConstraint("temporal_id", name=op.f("uq_executions_temporal_id")),
        sa.UniqueConstraint("tenant", "id", name=op.f("uq_executions_tenant_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_executions_graph_id"), "executions", ["graph_id"], unique=False)
    op.create_index(op.f("ix_executions_parent_execution_id"), "executions", ["parent_execution_id"], unique=False)
    op.create_index(op.f("ix_executions_tag"), "executions", ["tag"], unique=False)
    op.create_index(op.f("ix_executions_status_key"), "executions", ["status", "key"], unique=False)
    op.create_index(
        op.f("ix_executions_tenant_live_created_at_key"),
        "executions",
        ["tenant", "live", "created_at", "key"],
        unique=False,
    )
    op.create_index(
        op.f("ix_executions_tenant_live_status_created_at_key"),
        "executions",
        ["tenant", "live", "status", "created_at", "key"],
        unique=False,
    )
    op.create_index(
        op.f("ix_executions_tenant_live_workflow_uuid_created_at_key"),
        "executions",
        ["tenant", "live", "workflow_uuid", "created_at", "key"],
        unique=False,
    )
    op.create_index(op.f("ix_executions_version_id"), "executions", ["version_id"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(
            op.f("ix_executions_metadata"),
            "executions",
            ["metadata"],
            postgresql_using="gin",
            postgresql_ops={"metadata": "jsonb_path_ops"},
        )


def downgrade() -> None:
    for table in ("executions", "graph_versions", "graph_triggers", "idempotency", "graphs", "api_keys"):
        op.drop_table(table)
