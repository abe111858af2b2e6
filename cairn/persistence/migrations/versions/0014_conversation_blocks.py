"""What blocks were rendered to when they were put into conversations."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TEXT = sa.String()
BIG = sa.BigInteger()
ID = BIG.with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "conversation_blocks",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("conversation_key", ID, nullable=False),
        sa.Column("block", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("rendered", TEXT, nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_key"], ["conversations.key"], name=op.f("fk_conversation_blocks_conversation_key")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation_blocks")),
        sa.UniqueConstraint("conversation_key", "block", name=op.f("uq_conversation_blocks_conversation_key_block")),
    )


def downgrade() -> None:
    op.drop_table("conversation_blocks")
