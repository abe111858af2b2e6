"""Following a conversation: a snapshot at once, and one for each change."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from cairn.domain.conversations.model import Conversation
from cairn.domain.conversations.service import ConversationService
from cairn.domain.conversations.timeline import Item, snapshot
from cairn.domain.executions.story import TokenFeed
from cairn.errors import NotFound
from cairn.persistence.repository import Scope


async def follow(
    feed: TokenFeed, scope: Scope, conversation: str, after: int | None = None
) -> AsyncGenerator[tuple[Conversation, list[Item], str]]:
    """Yield snapshots of a conversation, of its latest revision each, until it is deleted.

    Args:
        feed: where news come from.
        scope: whose conversation.
        conversation: its id.
        after: revision of the last snapshot that is known already.
    """
    known = -1 if after is None else after
    async with feed.wakeups.of(conversation) as wakeup:
        while True:
            try:
                async with feed.database.session() as session:
                    found = await _newer(ConversationService(session, scope), conversation, known)
            except NotFound:
                return
            if found is not None:
                known = found[0].revision
                yield found
            await wakeup.wait()


async def _newer(
    service: ConversationService, conversation: str, known: int
) -> tuple[Conversation, list[Item], str] | None:
    row = await service.find(conversation)
    return None if row.revision == known else await snapshot(service, conversation)
