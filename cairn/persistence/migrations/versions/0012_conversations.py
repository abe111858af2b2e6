"""Conversations: their messages, what happened to them, and an index of their words."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
BIG = sa.BigInteger()
ID = BIG.with_variant(sa.Integer(), "sqlite")
OWNER = (("tenant", TEXT), ("live", sa.Boolean()))

WORDS = 200_000
"""Characters of a message that are searched: PostgreSQL's vectors hold a megabyte."""


def upgrade() -> None:
    op.create_table(
        "conversations",
        *(sa.Column(name, kind, nullable=False) for name, kind in OWNER),
        sa.Column("key", ID, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agent_id", TEXT, nullable=False),
        sa.Column("user_id", TEXT, nullable=True),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("generated", sa.Boolean(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("forked_from", TEXT, nullable=True),
        sa.Column("messages_count", sa.Integer(), nullable=False),
        sa.Column("last_message_at", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint(
            "status IN ('active', 'completed', 'escalated', 'archived')", name=op.f("ck_conversations_status")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_conversations")),
        sa.UniqueConstraint("id", name=op.f("uq_conversations_id")),
        sqlite_autoincrement=True,
    )
    for columns in (["tenant", "live", "key"], ["tenant", "live", "agent_id", "key"]):
        op.create_index(op.f(f"ix_conversations_{'_'.join(columns)}"), "conversations", columns, unique=False)

    op.create_table(
        "messages",
        *(sa.Column(name, kind, nullable=False) for name, kind in OWNER),
        sa.Column("key", ID, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("conversation_key", ID, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("said", sa.JSON(), nullable=True),
        sa.Column("finished", sa.Boolean(), nullable=False),
        sa.Column("execution_id", TEXT, nullable=True),
        sa.Column("discarded", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("role IN ('user', 'assistant', 'system')", name=op.f("ck_messages_role")),
        sa.ForeignKeyConstraint(["conversation_key"], ["conversations.key"], name=op.f("fk_messages_conversation_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_messages")),
        sa.UniqueConstraint("tenant", "live", "id", name=op.f("uq_messages_tenant_live_id")),
        sa.UniqueConstraint(
            "conversation_key",
            "execution_id",
            "role",
            name=op.f("uq_messages_conversation_key_execution_id_role"),
        ),
        sqlite_autoincrement=True,
    )
    for columns in (["conversation_key", "key"], ["execution_id"]):
        op.create_index(op.f(f"ix_messages_{'_'.join(columns)}"), "messages", columns, unique=False)

    op.create_table(
        "conversation_markers",
        *(sa.Column(name, kind, nullable=False) for name, kind in OWNER),
        sa.Column("key", ID, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("conversation_key", ID, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("message_key", ID, nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("void", sa.Boolean(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.CheckConstraint(
            "kind IN ('compress', 'rollback', 'handover', 'title')", name=op.f("ck_conversation_markers_kind")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_key"], ["conversations.key"], name=op.f("fk_conversation_markers_conversation_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_conversation_markers")),
        sa.UniqueConstraint("id", name=op.f("uq_conversation_markers_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_conversation_markers_conversation_key_key"), "conversation_markers", ["conversation_key", "key"]
    )
    _index_words("messages", "content")
    _index_words("conversations", "title")


def _index_words(table: str, column: str) -> None:
    """Have the words of a column found: by an index of PostgreSQL's, by a table of FTS5's that triggers keep."""
    if op.get_bind().dialect.name == "postgresql":
        words = f"to_tsvector('simple', left({column}, {WORDS}))"
        op.execute(f"CREATE INDEX words_{table} ON {table} USING gin ({words})")
        return
    words = f"words_{table}"
    op.execute(
        f"CREATE VIRTUAL TABLE {words} USING fts5({column}, content='{table}', content_rowid='key',"
        " tokenize='unicode61 remove_diacritics 0')"
    )
    add = f"INSERT INTO {words}(rowid, {column}) VALUES (new.key, new.{column});"
    remove = f"INSERT INTO {words}({words}, rowid, {column}) VALUES ('delete', old.key, old.{column});"
    for event, statements in (
        ("INSERT", add),
        ("DELETE", remove),
        (f"UPDATE OF {column}", remove + add),
    ):
        name = f"{words}_{event.split()[0].lower()}"
        op.execute(f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN {statements} END")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE words_messages")
        op.execute("DROP TABLE words_conversations")
    op.drop_table("conversation_markers")
    op.drop_table("messages")
    op.drop_table("conversations")
