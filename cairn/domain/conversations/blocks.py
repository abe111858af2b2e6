"""Blocks that were put into conversations once: what they were rendered to then."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import ConversationBlockRow, ConversationRow


class BlocksOfConversation:
    """The blocks in one conversation of a scope, within a session; commits nothing."""

    def __init__(self, session: AsyncSession, scope: Scope, conversation: ConversationRow) -> None:
        """Take the session, whose conversation, and which."""
        self._session = session
        self._scope = scope
        self._conversation = conversation
        self._rows = Repository(session, ConversationBlockRow)

    async def all(self) -> Mapping[str, ConversationBlockRow]:
        """Return them by name."""
        within = col(ConversationBlockRow.conversation_key) == self._conversation.key
        return {row.block: row for row in await self._rows.all(self._scope, within)}

    async def put(self, block: str, version: str, rendered: str, tokens: int) -> ConversationBlockRow:
        """Put a block in, in place of one of another version; when two do so at once, both have the first one's."""
        assert self._conversation.key is not None
        is_it = col(ConversationBlockRow.block) == block
        own = col(ConversationBlockRow.conversation_key) == self._conversation.key, is_it
        made: JsonObject = {"version": version, "rendered": rendered.replace("\0", ""), "tokens": tokens}
        row = await self._rows.get(self._scope, *own, lock=True)
        if row is not None:
            if row.version != version:
                row.sqlmodel_update(made)
            return row
        row = ConversationBlockRow(
            tenant=self._conversation.tenant,
            live=self._conversation.live,
            conversation_key=self._conversation.key,
            block=block,
            **made,
        )
        try:
            async with self._session.begin_nested():
                return await self._rows.add(row)
        except IntegrityError:  # another turn was quicker
            found = await self._rows.get(self._scope, *own)
            assert found is not None
            return found

    async def copy_to(self, other: ConversationRow) -> None:
        """Have another conversation begin with the same."""
        there = BlocksOfConversation(self._session, self._scope, other)
        for row in (await self.all()).values():
            await there.put(row.block, row.version, row.rendered, row.tokens)
