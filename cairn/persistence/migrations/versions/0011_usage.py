"""The ledger of requests to models, budgets, and for whom an execution works."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
BIG = sa.BigInteger()
ID = BIG.with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("executions", sa.Column("user_id", TEXT, nullable=True))

    op.create_table(
        "model_calls",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("user_id", TEXT, nullable=True),
        sa.Column("agent_id", TEXT, nullable=True),
        sa.Column("execution_id", TEXT, nullable=False),
        sa.Column("node_id", TEXT, nullable=False),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("input_tokens", ID, nullable=False),
        sa.Column("output_tokens", ID, nullable=False),
        sa.Column("cost", BIG, nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_calls")),
        sa.UniqueConstraint("key", name=op.f("uq_model_calls_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_model_calls_tenant_live_day"), "model_calls", ["tenant", "live", "day"], unique=False)

    op.create_table(
        "budgets",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("monthly_limit", BIG, nullable=True),
        sa.Column("month", TEXT, nullable=False),
        sa.Column("spent", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budgets")),
        sa.UniqueConstraint("tenant", "live", "user_id", name=op.f("uq_budgets_tenant_live_user_id")),
        sqlite_autoincrement=True,
    )

    op.create_table(
        "budget_reserves",
        sa.Column("work", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("month", TEXT, nullable=False),
        sa.Column("amount", BIG, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("work", name=op.f("pk_budget_reserves")),
    )
    op.create_index(
        op.f("ix_budget_reserves_tenant_live_month"), "budget_reserves", ["tenant", "live", "month"], unique=False
    )


def downgrade() -> None:
    op.drop_table("budget_reserves")
    op.drop_table("budgets")
    op.drop_table("model_calls")
    op.drop_column("executions", "user_id")
