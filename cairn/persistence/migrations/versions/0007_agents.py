"""Agents, and which of them are sub-agents of which."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON()


def upgrade() -> None:
    op.create_table(
        "agents",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("uuid", TEXT, nullable=False),
        sa.Column("graph_id", ID, nullable=False),
        sa.Column("parent_id", ID, nullable=True),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("category", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("model", TEXT, nullable=True),
        sa.Column("config", JSON, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("author", TEXT, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("status IN ('active', 'archived')", name=op.f("ck_agents_status")),
        sa.ForeignKeyConstraint(["graph_id"], ["graphs.id"], name=op.f("fk_agents_graph_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["agents.id"], name=op.f("fk_agents_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sa.UniqueConstraint("graph_id", name=op.f("uq_agents_graph_id")),
        sa.UniqueConstraint("uuid", name=op.f("uq_agents_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_agents_parent_id"), "agents", ["parent_id"], unique=False)
    op.create_index(op.f("ix_agents_tenant_live_id"), "agents", ["tenant", "live", "id"], unique=False)
    op.create_table(
        "agent_subagents",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("subagent_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_agent_subagents_agent_id")),
        sa.ForeignKeyConstraint(["subagent_id"], ["agents.id"], name=op.f("fk_agent_subagents_subagent_id")),
        sa.PrimaryKeyConstraint("agent_id", "subagent_id", name=op.f("pk_agent_subagents")),
    )
    op.create_index(op.f("ix_agent_subagents_subagent_id"), "agent_subagents", ["subagent_id"], unique=False)


def downgrade() -> None:
    op.drop_table("agent_subagents")
    op.drop_table("agents")
