"""Going back in a conversation, and going on from a place of it elsewhere. Nothing that was said is lost."""

from __future__ import annotations

from sqlalchemy import update
from sqlmodel import col

from cairn.contracts.json import Json
from cairn.domain.conversations.blocks import BlocksOfConversation
from cairn.domain.conversations.model import Conversation, Marker, new_id
from cairn.domain.conversations.rows import compression_of, find_message, messages_of, touch
from cairn.domain.conversations.service import ConversationService
from cairn.persistence.tables import ConversationRow, MarkerRow, MessageRow


async def rollback(service: ConversationService, conversation: str, message: str) -> tuple[Conversation, Marker, int]:
    """Go back to a message: those after it count no more. Return the conversation, the marker and how many those are.

    A compression that summarises one of them counts no more either: what it stands for does so again.

    Raises:
        NotFound: no such conversation, or it has no such message.
        Conflict: a turn is under way (``turn_running``).
    """
    row = await service.lock(conversation)
    target = await find_message(service.session, service.scope, row, message)
    await service.refuse_running(row)
    number = await discard_after(service, row, target)
    marker = await service.mark(row, "rollback", target.key, {"discarded": number})
    await touch(service.session, row)
    return Conversation.of(row), Marker.of(marker, target.id), number


async def discard_after(service: ConversationService, row: ConversationRow, target: MessageRow) -> int:
    """Let the messages after one count no more; return how many those are. The row is locked."""
    later = await messages_of(service.session, service.scope, row, col(MessageRow.key) > target.key)
    for each in later:
        each.discarded = True
    over = col(MarkerRow.conversation_key) == row.key, col(MarkerRow.kind) == "compress"
    void = update(MarkerRow).where(*over, col(MarkerRow.message_key) > target.key).values(void=True)
    await service.session.execute(void.execution_options(synchronize_session=False))
    return len(later)


async def fork(service: ConversationService, conversation: str, message: str, user_id: str | None) -> Conversation:
    """Make a conversation that has gone as another one up to a message; the two then go at different ways.

    Raises:
        NotFound: no such conversation, or it has no such message.
    """
    source = await service.find(conversation)
    target = await find_message(service.session, service.scope, source, message)
    title = f"{source.title[:240]} (fork)" if source.title else None
    made = await service.create(source.agent_id, user_id, title=title, metadata=source.metadata_, forked_from=source.id)
    keys = await _copy(service, source, made, target)
    await BlocksOfConversation(service.session, service.scope, source).copy_to(made)
    marker = await compression_of(service.session, service.scope, source, (target.key or 0) + 1)
    # The last message that a summary stands for may be one that was cut short, and has no copy.
    summed_up = [copy for key, copy in keys.items() if marker is not None and key <= (marker.message_key or 0)]
    if marker is not None and summed_up:
        data: dict[str, Json] = dict(marker.data)
        await service.mark(made, "compress", summed_up[-1], data)
    await touch(service.session, made)
    return Conversation.of(made)


async def _copy(
    service: ConversationService, source: ConversationRow, made: ConversationRow, target: MessageRow
) -> dict[int, int]:
    """Copy messages up to one; return the numbers of the copies by those of the originals, oldest first."""
    assert made.key is not None
    keys: dict[int, int] = {}
    for each in await messages_of(service.session, service.scope, source, col(MessageRow.key) <= target.key):
        copied = each.model_dump(exclude={"key", "id", "conversation_key"})
        if not each.finished:
            continue  # it belongs to a turn that goes on in the source
        if each.role == "user":
            copied["execution_id"] = None  # its turn is the source's
        row = await service.messages.add(MessageRow(**copied, id=new_id("msg"), conversation_key=made.key))
        assert each.key is not None and row.key is not None
        keys[each.key] = row.key
    return keys
