"""Finding the rows of conversations."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.executions.tokens import notify
from cairn.errors import NotFound
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import ConversationRow, MarkerRow, MessageRow
from cairn.persistence.types import utc_now


async def find_conversation(
    session: AsyncSession, scope: Scope, conversation: str, *, lock: bool = False
) -> ConversationRow:
    """Return a conversation's row.

    Raises:
        NotFound: the scope has no such conversation.
    """
    named = col(ConversationRow.id) == _plain(conversation)
    row = await Repository(session, ConversationRow).get(scope, named, lock=lock)
    if row is None:
        raise NotFound("No such conversation.", code="conversation_not_found")
    return row


async def find_message(
    session: AsyncSession, scope: Scope, conversation: ConversationRow, message: str, *, discarded: bool = False
) -> MessageRow:
    """Return a message of a conversation; with ``discarded`` also one that a rollback went back over.

    Raises:
        NotFound: it has none of this id.
    """
    row = await message_named(session, scope, message)
    if row is None or row.conversation_key != conversation.key or (row.discarded and not discarded):
        raise NotFound("The conversation has no such message.", code="message_not_found")
    return row


async def message_named(session: AsyncSession, scope: Scope, message: str) -> MessageRow | None:
    """Return the message of an id in whichever conversation it stands."""
    return await Repository(session, MessageRow).get(scope, col(MessageRow.id) == _plain(message))


def counting(conversation: ConversationRow) -> list[ColumnElement[bool]]:
    """Return the conditions for the messages of a conversation that no rollback went back over."""
    return [col(MessageRow.conversation_key) == conversation.key, col(MessageRow.discarded).is_(False)]


async def messages_of(
    session: AsyncSession, scope: Scope, conversation: ConversationRow, *conditions: ColumnElement[bool]
) -> Sequence[MessageRow]:
    """Return the messages of a conversation that count, oldest first."""
    rows = Repository(session, MessageRow)
    return await rows.all(scope, *counting(conversation), *conditions, order=(col(MessageRow.key),))


async def compression_of(
    session: AsyncSession, scope: Scope, conversation: ConversationRow, before: int | None = None
) -> MarkerRow | None:
    """Return the latest compression of a conversation that holds; with ``before`` for what stands before a message."""
    conditions = [
        col(MarkerRow.conversation_key) == conversation.key,
        col(MarkerRow.kind) == "compress",
        col(MarkerRow.void).is_(False),
    ]
    if before is not None:
        conditions.append(col(MarkerRow.message_key) < before)
    found = await Repository(session, MarkerRow).all(scope, *conditions, order=(col(MarkerRow.key),))
    return found[-1] if found else None


async def touch(session: AsyncSession, conversation: ConversationRow) -> None:
    """Note in a conversation, whose row is locked, that its messages have changed."""
    await session.flush()
    query = select(func.count(), func.max(MessageRow.created_at)).where(*counting(conversation))
    conversation.messages_count, conversation.last_message_at = (await session.execute(query)).one()
    conversation.revision += 1
    conversation.updated_at = utc_now()
    await notify(session, {conversation.id})


def _plain(text: str) -> str:
    """Return an id as a database can be asked for it; what is none is found nowhere."""
    return text if text.isascii() and text.isprintable() else ""
