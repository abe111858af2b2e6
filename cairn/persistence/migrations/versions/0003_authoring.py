"""Folders of graphs, and the definitions of drafts that executions began with."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON()


def upgrade() -> None:
    op.create_table(
        "folders",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folders")),
        sa.UniqueConstraint("tenant", "live", "name", name=op.f("uq_folders_tenant_live_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_graphs_folder_id"), "graphs", ["folder_id"], unique=False)

    op.create_table(
        "draft_definitions",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("version_id", ID, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("definition", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["graph_versions.id"], name=op.f("fk_draft_definitions_version_id")),
        sa.PrimaryKeyConstraint("version_id", "digest", name=op.f("pk_draft_definitions")),
    )
    op.add_column("executions", sa.Column("digest", TEXT, nullable=True))


def downgrade() -> None:
    op.drop_column("executions", "digest")
    op.drop_table("draft_definitions")
    op.drop_index(op.f("ix_graphs_folder_id"), table_name="graphs")
    op.drop_table("folders")
