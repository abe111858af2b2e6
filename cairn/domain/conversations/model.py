"""Conversations as callers see them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast

from cairn.contracts.json import Json, JsonObject, canonical
from cairn.persistence.tables import ConversationRow, MarkerRow, MessageRow

Status = Literal["active", "completed", "escalated", "archived"]
Role = Literal["user", "assistant", "system"]
MarkerKind = Literal["compress", "rollback", "handover", "title"]

MAX_MESSAGE = 262_144
"""Characters of a message."""
MAX_TITLE = 255
_SHORT = 60
METADATA_LIMIT = 16 * 1024
"""Bytes of a conversation's metadata as JSON."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation.

    Attributes:
        generated: the title was made by the installation.
        revision: +1 for each change that a reader sees.
        messages_count: of messages that no rollback went back over.
    """

    id: str
    title: str
    generated: bool
    agent_id: str
    user_id: str | None
    status: Status
    channel: str
    metadata: JsonObject
    revision: int
    forked_from: str | None
    messages_count: int
    last_message_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: ConversationRow) -> Conversation:
        """Make it of its row."""
        names = cls.__dataclass_fields__.keys() - {"metadata"}
        return cls(**{name: getattr(row, name) for name in names}, metadata=row.metadata_)


@dataclass(frozen=True, slots=True)
class Message:
    """A message, its parts as its row keeps them (see ``cairn.domain.conversations.said``).

    Attributes:
        finished: False while an agent writes, and for ever when its turn was cut short.
    """

    key: int
    id: str
    role: Role
    content: str
    said: list[JsonObject]
    finished: bool
    created_at: datetime
    execution_id: str | None

    @classmethod
    def of(cls, row: MessageRow) -> Message:
        """Make it of its row."""
        return cls(
            key=row.key or 0,
            id=row.id,
            role=cast("Role", row.role),
            content=row.content,
            said=cast("list[JsonObject]", row.said or []),
            finished=row.finished,
            created_at=row.created_at,
            execution_id=row.execution_id,
        )


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that happened to a conversation as a whole.

    Attributes:
        message_id: the message that it stands after.
        void: a rollback went back over it.
    """

    id: str
    kind: MarkerKind
    at: datetime
    message_id: str | None
    data: JsonObject
    void: bool

    @classmethod
    def of(cls, row: MarkerRow, message_id: str | None) -> Marker:
        """Make it of its row."""
        return cls(row.id, cast("MarkerKind", row.kind), row.at, message_id, row.data, row.void)


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    """Which conversations a list shows; all given conditions hold."""

    agent_id: str | None = None
    user_id: str | None = None
    status: Status | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be changed of a conversation; None stays as it is."""

    title: str | None = None
    status: Status | None = None
    metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What a person says.

    Attributes:
        id: of the caller's choice, or made.
    """

    content: str
    id: str = field(default_factory=lambda: new_id("msg"))


def new_id(prefix: str) -> str:
    """Return an id that nothing else has."""
    return f"{prefix}_{uuid.uuid4().hex}"


def title_of(text: str) -> str:
    """Return what a conversation is called that begins with a text."""
    line = " ".join(text.split())
    return line if len(line) <= _SHORT else f"{line[: _SHORT - 1].rstrip()}…"


def text_of(value: Json) -> str:
    """Return a value as a message's text."""
    return value if isinstance(value, str) else canonical(value)
