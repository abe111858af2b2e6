"""Uploads: files that callers were given a link for."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("file_key", TEXT, nullable=False),
        sa.Column("content_type", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("size", ID, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("stored_at", TIME, nullable=True),
        sa.CheckConstraint("status IN ('open', 'receiving', 'stored')", name=op.f("ck_uploads_status")),
        sa.PrimaryKeyConstraint("file_key", name=op.f("pk_uploads")),
    )
    op.create_index(
        op.f("ix_uploads_tenant_status_expires_at"), "uploads", ["tenant", "status", "expires_at"], unique=False
    )


def downgrade() -> None:
    op.drop_table("uploads")
