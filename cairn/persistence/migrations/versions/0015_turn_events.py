"""What was told of turns while sub-agents worked on them."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TEXT = sa.String()
BIG = sa.BigInteger()
ID = BIG.with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "turn_events",
        sa.Column("temporal_id", TEXT, nullable=False),
        sa.Column("number", ID, nullable=False),
        sa.Column("anchor", ID, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("place", ID, nullable=False),
        sa.Column("said", sa.Integer(), nullable=False),
        sa.Column("event", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("temporal_id", "number", name=op.f("pk_turn_events")),
        sa.UniqueConstraint("temporal_id", "source", "place", name=op.f("uq_turn_events_temporal_id_source_place")),
    )


def downgrade() -> None:
    op.drop_table("turn_events")
