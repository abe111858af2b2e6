"""Credentials that nodes and tools name, and tools that authors make."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON()


def upgrade() -> None:
    op.create_table(
        "credentials",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("uuid", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint(
            "kind IN ('none', 'api_key', 'bearer_token', 'basic_auth', 'custom_header')",
            name=op.f("ck_credentials_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
        sa.UniqueConstraint("tenant", "live", "name", name=op.f("uq_credentials_tenant_live_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_credentials_uuid")),
    )

    op.create_table(
        "tools",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("uuid", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=True),
        sa.Column("category", TEXT, nullable=False),
        sa.Column("icon", TEXT, nullable=True),
        sa.Column("icon_color", TEXT, nullable=True),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("definition", JSON, nullable=False),
        sa.Column("author", TEXT, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("status IN ('active', 'archived')", name=op.f("ck_tools_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tools")),
        sa.UniqueConstraint("uuid", name=op.f("uq_tools_uuid")),
    )
    op.create_index(op.f("ix_tools_tenant_live_id"), "tools", ["tenant", "live", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("tools")
    op.drop_table("credentials")
