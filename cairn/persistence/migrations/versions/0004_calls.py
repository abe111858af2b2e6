"""Calls: what a voice graph's execution left."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON()


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("execution_id", TEXT, nullable=False),
        sa.Column("graph_id", ID, nullable=False),
        sa.Column("graph_version_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=False),
        sa.Column("phone_number", TEXT, nullable=True),
        sa.Column("disposition", TEXT, nullable=True),
        sa.Column("duration_seconds", sa.Float(), nullable=False),
        sa.Column("extracted", JSON, nullable=False),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("summary", TEXT, nullable=True),
        sa.Column("transcript_url", TEXT, nullable=True),
        sa.Column("recording_url", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant", "execution_id"],
            ["executions.tenant", "executions.id"],
            name=op.f("fk_calls_tenant_execution_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["graph_id"], ["graphs.id"], name=op.f("fk_calls_graph_id")),
        sa.ForeignKeyConstraint(["graph_version_id"], ["graph_versions.id"], name=op.f("fk_calls_graph_version_id")),
        sa.PrimaryKeyConstraint("tenant", "execution_id", name=op.f("pk_calls")),
    )
    for columns in (["tenant", "live", "graph_id", "created_at", "execution_id"], ["graph_id"], ["graph_version_id"]):
        op.create_index(op.f(f"ix_calls_{'_'.join(columns)}"), "calls", columns, unique=False)


def downgrade() -> None:
    op.drop_table("calls")
