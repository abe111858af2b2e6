"""Conversations and their messages: making, reading and changing them."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.json import JsonObject, canonical
from cairn.domain.conversations.model import (
    MAX_TITLE,
    METADATA_LIMIT,
    Changes,
    Conversation,
    ConversationFilter,
    Marker,
    MarkerKind,
    Message,
    NewMessage,
    new_id,
    title_of,
)
from cairn.domain.conversations.rows import counting, find_conversation, message_named, messages_of, touch
from cairn.domain.executions.tokens import notify
from cairn.domain.names import checked_name
from cairn.errors import Conflict, FieldError, InvalidInput
from cairn.persistence.paging import Page
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import ConversationBlockRow, ConversationRow, ExecutionRow, MarkerRow, MessageRow

OPEN = ("pending", "running", "paused")


class ConversationService:
    """Conversations of a scope, within a session; commits nothing.

    Everything that names a conversation raises ``NotFound`` for one that the scope does not have.
    """

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        """Take the session, and whose conversations."""
        self.session = session
        self.scope = scope
        self.rows = Repository(session, ConversationRow)
        self.messages = Repository(session, MessageRow)
        self.markers = Repository(session, MarkerRow)

    async def create(
        self,
        agent_id: str,
        user_id: str | None,
        *,
        title: str | None = None,
        metadata: JsonObject | None = None,
        forked_from: str | None = None,
        id: str | None = None,
    ) -> ConversationRow:
        """Make a conversation.

        Args:
            agent_id: of the agent that is to take the first turn; the caller has looked whether it exists.
            user_id: whose it is.
            title: None: it gets one with its first message.
            metadata: the caller's own.
            forked_from: id of the conversation that it is a copy of.
            id: its id, that nothing else has; None: a new one.

        Raises:
            IntegrityError: it has an id that is another's; as of ``Repository.add``.
            InvalidInput: the title or the metadata break their limits.
        """
        row = ConversationRow(
            tenant=self.scope.tenant,
            live=self.scope.live is not False,
            id=id or new_id("conv"),
            agent_id=agent_id,
            user_id=user_id,
            title="" if title is None else checked_name(title, MAX_TITLE, "title"),
            generated=title is None,
            metadata_=_small(metadata or {}),
            forked_from=forked_from,
        )
        return await self.rows.add(row)

    async def find(self, conversation: str, *, lock: bool = False) -> ConversationRow:
        """Return a conversation's row."""
        return await find_conversation(self.session, self.scope, conversation, lock=lock)

    async def lock(self, conversation: str) -> ConversationRow:
        """Return a conversation's row, and keep others from writing into the conversation."""
        row = await self.find(conversation)
        # A write: reading to write later keeps nobody off on SQLite.
        own = update(ConversationRow).where(col(ConversationRow.key) == row.key)
        await self.session.execute(own.values(revision=ConversationRow.revision))
        return await self.find(conversation, lock=True)

    async def get(self, conversation: str) -> Conversation:
        """Return a conversation."""
        return Conversation.of(await self.find(conversation))

    async def list(
        self, which: ConversationFilter, page: int, page_size: int, anchor: int | None = None
    ) -> Page[Conversation]:
        """Return a page of conversations, newest first; the latter arguments as of :meth:`Repository.page`."""
        names = ("agent_id", "user_id", "status", "channel")
        given = {name: getattr(which, name) for name in names}
        filters = [col(getattr(ConversationRow, name)) == value for name, value in given.items() if value is not None]
        found = await self.rows.page(
            self.scope, *filters, key=ConversationRow.key, page=page, page_size=page_size, anchor=anchor
        )
        return found.map(Conversation.of)

    async def change(self, conversation: str, changes: Changes) -> Conversation:
        """Change what is given.

        Raises:
            InvalidInput: the title or the metadata break their limits.
        """
        row = await self.lock(conversation)
        if changes.title is not None:
            await self.entitle(row, changes.title, generated=False)
        if changes.status is not None:
            row.status = changes.status
        if changes.metadata is not None:
            row.metadata_ = _small(changes.metadata)
        await touch(self.session, row)
        return Conversation.of(row)

    async def entitle(self, row: ConversationRow, title: str, *, generated: bool) -> None:
        """Give a conversation, whose row is locked, another title.

        Raises:
            InvalidInput: the title breaks its limits.
        """
        named = checked_name(title, MAX_TITLE, "title")
        if (named, generated) != (row.title, row.generated):
            await self.mark(row, "title", None, {"title": named, "before": row.title})
        row.title, row.generated = named, generated

    async def delete(self, conversation: str) -> None:
        """Remove a conversation with its messages; the executions of its turns can be read as before.

        Raises:
            Conflict: a turn is under way (``turn_running``).
        """
        row = await self.lock(conversation)
        await self.refuse_running(row)
        for table in (ConversationBlockRow, MarkerRow, MessageRow):
            await self.session.execute(delete(table).where(col(table.conversation_key) == row.key))
        await self.session.delete(row)
        await self.session.flush()
        await notify(self.session, {row.id})

    async def list_messages(self, conversation: str, page: int, page_size: int, *, discarded: bool) -> Page[Message]:
        """Return a page of messages, oldest first; with ``discarded`` also those that a rollback went back over."""
        row = await self.find(conversation)
        filters = [col(MessageRow.conversation_key) == row.key] if discarded else counting(row)
        query = self.messages.select(self.scope, *filters).order_by(col(MessageRow.key))
        found = await self.session.execute(query.limit(page_size).offset((page - 1) * page_size))
        total = await self.messages.count(self.scope, *filters)
        return Page([Message.of(each) for each in found.scalars()], total, page, page_size)

    async def all_messages(self, row: ConversationRow) -> Sequence[MessageRow]:
        """Return the messages of a conversation that count, oldest first."""
        return await messages_of(self.session, self.scope, row)

    def refuse_archived(self, row: ConversationRow) -> None:
        """Refuse turns of a conversation that is archived.

        Raises:
            Conflict: it is (``conversation_archived``).
        """
        if row.status == "archived":
            raise Conflict("The conversation is archived.", code="conversation_archived")

    async def say(self, row: ConversationRow, message: NewMessage, execution_id: str | None = None) -> MessageRow:
        """Add a person's message to a conversation, whose row is locked.

        Raises:
            Conflict: the id is taken by another message (``message_exists``).
        """
        assert row.key is not None
        said = MessageRow(
            tenant=row.tenant,
            live=row.live,
            id=message.id,
            conversation_key=row.key,
            role="user",
            content=message.content,
            execution_id=execution_id,
        )
        try:
            async with self.session.begin_nested():
                await self.messages.add(said)
        except IntegrityError:
            raise Conflict(f"The message id {message.id!r} is taken.", code="message_exists") from None
        if not row.title:
            row.title = title_of(message.content)
        await touch(self.session, row)
        return said

    async def named(self, message: str) -> MessageRow | None:
        """Return the message of an id, in whichever conversation it stands."""
        return await message_named(self.session, self.scope, message)

    async def of_message(self, message: MessageRow) -> ConversationRow:
        """Return the conversation of a message."""
        found = await self.rows.get(self.scope, col(ConversationRow.key) == message.conversation_key)
        assert found is not None
        return found

    async def running(self, row: ConversationRow) -> MessageRow | None:
        """Return the message whose turn has not ended, if any."""
        turn = (
            select(col(ExecutionRow.id))
            .where(*Repository(self.session, ExecutionRow).owned(self.scope), col(ExecutionRow.status).in_(OPEN))
            .where(col(ExecutionRow.id) == col(MessageRow.execution_id))
            .exists()
        )
        asked: builtins.list[ColumnElement[bool]] = [*counting(row), col(MessageRow.role) == "user", turn]
        found = await self.messages.all(self.scope, *asked, order=(col(MessageRow.key),))
        return found[-1] if found else None

    async def refuse_running(self, row: ConversationRow) -> None:
        """Refuse what cannot be done while an agent takes a turn.

        Raises:
            Conflict: one does (``turn_running``).
        """
        running = await self.running(row)
        if running is not None:
            raise Conflict(
                "A turn of the conversation is under way: wait for its end, or cancel it.",
                code="turn_running",
                extra={"message_id": running.id, "execution_id": running.execution_id},
            )

    async def mark(
        self, row: ConversationRow, kind: MarkerKind, message_key: int | None, data: JsonObject
    ) -> MarkerRow:
        """Note what happens to a conversation."""
        assert row.key is not None
        made = MarkerRow(
            tenant=row.tenant,
            live=row.live,
            id=new_id("mark"),
            conversation_key=row.key,
            kind=kind,
            message_key=message_key,
            data=data,
        )
        return await self.markers.add(made)

    async def list_markers(self, conversation: str) -> builtins.list[Marker]:
        """Return what happened to a conversation, oldest first."""
        row = await self.find(conversation)
        found = await self.markers.all(
            self.scope, col(MarkerRow.conversation_key) == row.key, order=(col(MarkerRow.key),)
        )
        keys = {each.message_key for each in found}
        ids = {each.key: each.id for each in await self.messages.all(self.scope, col(MessageRow.key).in_(keys))}
        return [Marker.of(each, ids.get(each.message_key)) for each in found]


def _small(metadata: JsonObject) -> JsonObject:
    size = len(canonical(metadata).encode())
    if size > METADATA_LIMIT:
        message = f"has {size} bytes, over the limit of {METADATA_LIMIT}"
        raise InvalidInput("The metadata are too large.", errors=[FieldError("/metadata", message)])
    return metadata
