"""Tools that agents call by name, their versions, and drafts of them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON()
NAMED = sa.text("status = 'active' AND called IS NOT NULL")


def upgrade() -> None:
    op.add_column("tools", sa.Column("called", TEXT, nullable=True))
    op.add_column("tools", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.create_index(
        "uq_tools_called",
        "tools",
        ["tenant", "live", "called"],
        unique=True,
        sqlite_where=NAMED,
        postgresql_where=NAMED,
    )
    op.create_table(
        "tool_drafts",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("uuid", TEXT, nullable=False),
        sa.Column("agent_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("definition", JSON, nullable=False),
        sa.Column("tests", JSON, nullable=False),
        sa.Column("author", TEXT, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tool_drafts")),
        sa.UniqueConstraint("uuid", name=op.f("uq_tool_drafts_uuid")),
    )
    op.create_index(
        op.f("ix_tool_drafts_tenant_live_agent_id"), "tool_drafts", ["tenant", "live", "agent_id"], unique=False
    )


def downgrade() -> None:
    op.drop_table("tool_drafts")
    op.drop_index("uq_tools_called", table_name="tools")
    op.drop_column("tools", "version")
    op.drop_column("tools", "called")
