"""A conversation as a user interface shows it: what was said, what tools did, what happened to it, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import col

from cairn.contracts.json import Json, JsonObject
from cairn.domain.conversations.cached import LARGE, cache_id, size_of
from cairn.domain.conversations.model import Conversation, Message
from cairn.domain.conversations.rows import counting
from cairn.domain.conversations.said import REQUESTS, RESPONSES, Part, parts_of
from cairn.domain.conversations.service import ConversationService
from cairn.errors import BadRequest
from cairn.persistence.tables import MarkerRow, MessageRow
from cairn.persistence.types import number_of

NEWEST = 100
"""Messages that a snapshot shows at most."""


@dataclass(frozen=True, slots=True)
class Item:
    """A part of a message, or something that happened to the conversation.

    Attributes:
        content: by type: a text; ``{tool, arguments}``; ``{tool, result}``, ``cache_id`` in place of a large result;
            ``{kind, …}`` of what happened.
    """

    id: str
    type: str
    at: datetime
    message_id: str | None
    execution_id: str | None
    content: Json


async def timeline(
    service: ConversationService, conversation: str, limit: int, cursor: str | None = None
) -> tuple[list[Item], str | None]:
    """Return the items of so many messages after a cursor, oldest first, and the cursor of what follows.

    Raises:
        NotFound: no such conversation.
        BadRequest: the cursor is not one of this list.
    """
    row = await service.find(conversation)
    after = number_of(cursor) if cursor is not None else 0
    if after is None:
        raise BadRequest("The cursor is not one that this list gave.", code="bad_cursor")
    own = counting(row)
    query = service.messages.select(service.scope, *own, col(MessageRow.key) > after).order_by(col(MessageRow.key))
    found = list((await service.session.execute(query.limit(limit + 1))).scalars())
    rows, more = found[:limit], len(found) > limit
    # Of a message that the page before has shown, though a rollback may have gone back over it since.
    before = await service.messages.get(service.scope, own[0], col(MessageRow.key) == after)
    since = before.created_at if before is not None else _BEGIN
    until = rows[-1].created_at if more else None
    happened = [
        each
        for each in await service.markers.all(
            service.scope, col(MarkerRow.conversation_key) == row.key, order=(col(MarkerRow.key),)
        )
        if each.at > since and (until is None or each.at <= until)
    ]
    return [*_merged(rows, happened)], str(rows[-1].key) if more else None


async def snapshot(service: ConversationService, conversation: str) -> tuple[Conversation, list[Item], str]:
    """Return a conversation, the parts of its newest messages, and whether a turn is under way.

    Raises:
        NotFound: no such conversation.
    """
    row = await service.find(conversation)
    query = service.messages.select(service.scope, *counting(row)).order_by(col(MessageRow.key).desc()).limit(NEWEST)
    rows = list((await service.session.execute(query)).scalars())[::-1]
    running = await service.running(row)
    return Conversation.of(row), [item for each in rows for item in items_of(each)], "running" if running else "idle"


def items_of(row: MessageRow) -> Iterator[Item]:
    """Yield the parts of a message."""
    message = Message.of(row)
    for index, part in enumerate(parts_of(message.role, message.content, message.said, message.created_at)):
        content = content_of(part, message.execution_id)
        yield Item(f"{message.id}.{index}", part.type, part.at, message.id, message.execution_id, content)


def content_of(part: Part, execution_id: str | None) -> Json:
    """Return what a part of a message holds."""
    if part.type in REQUESTS:
        return {"tool": part.tool, "tool_call_id": part.call_id, "arguments": part.value}
    if part.type not in RESPONSES:
        return part.text
    told: JsonObject = {"tool": part.tool, "tool_call_id": part.call_id}
    if part.failed:
        return {**told, "error": part.value}
    if size_of(part.value) > LARGE:
        return {**told, "cache_id": cache_id(execution_id or "", part.call_id or "")}
    return {**told, "result": part.value}


def _merged(rows: Sequence[MessageRow], happened: Sequence[MarkerRow]) -> Iterator[Item]:
    left = list(happened)
    for row in rows:
        while left and left[0].at <= row.created_at:
            yield _marked(left.pop(0))
        yield from items_of(row)
    yield from map(_marked, left)


def _marked(row: MarkerRow) -> Item:
    return Item(row.id, "system_event", row.at, None, None, {"kind": row.kind, **row.data})


_BEGIN = datetime.min.replace(tzinfo=UTC)
