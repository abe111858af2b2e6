"""Tenants' own keys for providers of language models, and whose keys their calls use."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON()


def upgrade() -> None:
    op.create_table(
        "llm_providers",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("uuid", TEXT, nullable=False),
        sa.Column("provider", TEXT, nullable=False),
        sa.Column("base_url", TEXT, nullable=True),
        sa.Column("key_hint", TEXT, nullable=False),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("models", JSON, nullable=False),
        sa.Column("defaults", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_llm_providers")),
        sa.UniqueConstraint("tenant", "live", "provider", name=op.f("uq_llm_providers_tenant_live_provider")),
        sa.UniqueConstraint("uuid", name=op.f("uq_llm_providers_uuid")),
    )
    op.create_table(
        "llm_modes",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("mode IN ('platform', 'byok')", name=op.f("ck_llm_modes_mode")),
        sa.PrimaryKeyConstraint("tenant", "live", name=op.f("pk_llm_modes")),
    )


def downgrade() -> None:
    op.drop_table("llm_modes")
    op.drop_table("llm_providers")
