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


def downgrade() -> None:
    op.drop_table("compensations")
    op.drop_table("resets")
    for column in ("seed", "forked_from_checkpoint_id", "forked_from_execution_id"):
        op.drop_column("executions", column)
