"""What a worker needs of a conversation: what was said before a turn, and a place for what is said in it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from pydantic_ai.messages import ModelMessage
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.executions import CLOSED
from cairn.contracts.json import Json
from cairn.contracts.nodes import ConversationTurn
from cairn.domain.conversations.model import text_of
from cairn.domain.conversations.rows import (
    compression_of,
    find_conversation,
    find_message,
    messages_of,
    touch,
)
from cairn.domain.conversations.said import context_of, kept, text_in
from cairn.domain.executions.tokens import notify
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.session import Database
from cairn.persistence.tables import ConversationRow, ExecutionRow, MessageRow
from cairn.persistence.types import utc_now

SURFACE = "agentflow"
"""Of the executions that are turns."""


class TurnMessages:
    """The messages of conversations, for those who take turns in them."""

    def __init__(self, database: Database) -> None:
        """Take where they are kept."""
        self._database = database

    async def earlier(self, scope: Scope, turn: ConversationTurn) -> list[ModelMessage]:
        """Return what was said before a turn's message: after a compression its summary and what came after it.

        Raises:
            NotFound: the conversation or the message is gone.
            Unavailable: the database does not answer.
        """
        async with self._database.session() as session:
            conversation = await find_conversation(session, scope, turn.id)
            message = await find_message(session, scope, conversation, turn.message_id, discarded=True)
            marker = await compression_of(session, scope, conversation, message.key)
            after = marker.message_key or 0 if marker is not None else 0
            told = col(MessageRow.key) < message.key, col(MessageRow.key) > after
            rows = await messages_of(session, scope, conversation, *told)
            return context_of(rows, marker.data["summary"] if marker is not None else None)

    async def keep(
        self,
        scope: Scope,
        turn: ConversationTurn,
        execution_id: str,
        messages: Sequence[ModelMessage],
        answer: Json = None,
        *,
        finished: bool = False,
        subagents: Collection[str] = (),
    ) -> None:
        """Keep what was said in a turn so far; it is the turn's message, and replaces what was kept of it before.

        What comes after the turn's end is of a try that was cancelled, or left by a reset, and is not kept. An
        execution that is not the one that answers the person's message (a fork of it, or one of before the message was
        answered anew) keeps a message that counts not.

        Args:
            scope: whose conversation.
            turn: the turn.
            execution_id: the execution that takes it.
            messages: all that was said in it.
            answer: with which the turn ends, when it is finished.
            finished: the agent has answered.
            subagents: by what names its model calls sub-agents.

        Raises:
            NotFound: the conversation is gone.
            Unavailable: the database does not answer.
        """
        async with self._database.transaction() as session:
            conversation = await find_conversation(session, scope, turn.id, lock=True)
            if await _has_ended(session, scope, execution_id):
                return
            row = await _row_of(session, scope, conversation, turn.message_id, execution_id)
            row.said, row.finished = kept(messages, subagents), finished
            row.content = (text_of(answer) if finished else text_in(messages)).replace("\0", "")
            await touch(session, conversation)


async def _has_ended(session: AsyncSession, scope: Scope, execution_id: str) -> bool:
    # Whoever writes down the end waits for the conversation's row, which is locked: it comes before this, or after it.
    row = ExecutionRow
    query = select(col(row.status)).where(*Repository(session, row).owned(scope), col(row.id) == execution_id)
    return (await session.execute(query)).scalar_one_or_none() in CLOSED


async def _row_of(
    session: AsyncSession, scope: Scope, conversation: ConversationRow, message_id: str, execution_id: str
) -> MessageRow:
    rows = Repository(session, MessageRow)
    own = col(MessageRow.conversation_key) == conversation.key, col(MessageRow.execution_id) == execution_id
    is_its = (*own, col(MessageRow.role) == "assistant")
    found = await rows.get(scope, *is_its)
    if found is not None:
        return found
    assert conversation.key is not None
    said = await rows.get(scope, own[0], col(MessageRow.id) == message_id)
    answers = said is not None and not said.discarded and said.execution_id in (None, execution_id)
    named = hashlib.sha256(f"{conversation.id}/{execution_id}".encode()).hexdigest()[:32]
    row = MessageRow(
        tenant=conversation.tenant,
        live=conversation.live,
        id=f"msg_{named}",
        conversation_key=conversation.key,
        role="assistant",
        finished=False,
        execution_id=execution_id,
        discarded=not answers,
    )
    try:
        async with session.begin_nested():
            return await rows.add(row)
    except IntegrityError:  # another try of the same activity was quicker
        found = await rows.get(scope, *is_its)
        assert found is not None
        return found


def conversation_of(execution: ExecutionRow) -> str | None:
    """Return the id of the conversation that an execution is a turn of, or calls a tool for."""
    conversation = execution.metadata_.get("conversation_id")
    return conversation if execution.surface == SURFACE and isinstance(conversation, str) else None


async def turn_ended(session: AsyncSession, execution: ExecutionRow) -> None:
    """Have those who follow a conversation see that a turn of it has ended: with an answer if it was completed.

    A try that kept the answer may have died before Temporal heard of it, and none after it may have come so far.
    """
    conversation = conversation_of(execution)
    if conversation is not None:
        scope = Scope(execution.tenant, execution.live)
        named = [*Repository(session, ConversationRow).owned(scope), col(ConversationRow.id) == conversation]
        news = {"revision": ConversationRow.revision + 1, "updated_at": utc_now()}
        query = update(ConversationRow).where(*named).values(**news)
        await session.execute(query.execution_options(synchronize_session=False))
        its = [*Repository(session, MessageRow).owned(scope), col(MessageRow.execution_id) == execution.id]
        this = select(col(ConversationRow.key)).where(*named)  # forks have copies of what was said, and keep them
        its.append(col(MessageRow.conversation_key).in_(this))
        answered = execution.status == "completed"
        other = [col(MessageRow.role) == "assistant", col(MessageRow.finished).is_not(answered)]  # most are right
        said = update(MessageRow).where(*its, *other).values(finished=answered)
        await session.execute(said.execution_options(synchronize_session=False))
        await notify(session, {conversation})
