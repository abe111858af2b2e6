"""Prompt blocks, and what they were rendered to."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON()


def upgrade() -> None:
    op.create_table(
        "prompt_blocks",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=True),
        sa.Column("settings", JSON, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("type IN ('static', 'dynamic')", name=op.f("ck_prompt_blocks_type")),
        sa.CheckConstraint("(type = 'static') = (body IS NOT NULL)", name=op.f("ck_prompt_blocks_body")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompt_blocks")),
        sa.UniqueConstraint("tenant", "live", "name", name=op.f("uq_prompt_blocks_tenant_live_name")),
        sqlite_autoincrement=True,
    )

    op.create_table(
        "prompt_block_renders",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("block", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("rendered", TEXT, nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompt_block_renders")),
        sa.UniqueConstraint(
            "tenant",
            "live",
            "block",
            "version",
            "key",
            name=op.f("uq_prompt_block_renders_tenant_live_block_version_key"),
        ),
    )
    op.create_index(op.f("ix_prompt_block_renders_expires_at"), "prompt_block_renders", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("prompt_block_renders")
    op.drop_table("prompt_blocks")
