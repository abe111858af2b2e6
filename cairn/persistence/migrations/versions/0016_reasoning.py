"""What models think before they answer, on its way to those who want to know."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With a default: workers of an earlier version write on.
    op.add_column("stream_chunks", sa.Column("reasoning", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("stream_chunks", "reasoning")
