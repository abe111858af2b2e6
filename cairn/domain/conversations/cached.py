"""Large results of tools: told by reference, read in parts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from jsonpath_ng import JSONPathError
from jsonpath_ng.parser import parse
from sqlmodel import col

from cairn.contracts.json import Json, canonical
from cairn.domain.conversations.model import Message
from cairn.domain.conversations.said import RESPONSES, parts_of
from cairn.domain.conversations.service import ConversationService
from cairn.errors import FieldError, InvalidInput, NotFound
from cairn.persistence.tables import MessageRow
from cairn.persistence.types import MAX_ID

_AT_ONCE = 20
LARGE = 16 * 1024
"""Bytes as JSON over which a result is told by reference."""


@dataclass(frozen=True, slots=True)
class CachedResult:
    """A result of a tool."""

    id: str
    tool: str
    size: int
    created_at: datetime
    payload: Json

    @property
    def content_type(self) -> str:
        """Of the payload."""
        return "text/plain" if isinstance(self.payload, str) else "application/json"


def size_of(result: Json) -> int:
    """Return the size of a result, in bytes as JSON."""
    return len(canonical(result).encode())


def cache_id(execution_id: str, call_id: str) -> str:
    """Return the id by which the result of a tool's call is read: the same wherever it is told."""
    return f"cache_{hashlib.sha256(f'{execution_id}/{call_id}'.encode()).hexdigest()[:32]}"


def items_at(payload: Json, path: str | None) -> list[Json]:
    """Return the items of a payload: those of the list that it is, or that a JSONPath leads to; else what it leads to.

    Raises:
        InvalidInput: the path is no JSONPath.
    """
    found: list[Json] = [payload] if path is None else _at(payload, path)
    only = found[0] if len(found) == 1 else None
    return cast("list[Json]", only) if isinstance(only, list) else found


def _at(payload: Json, path: str) -> list[Json]:
    try:
        return [each.value for each in parse(path).find(payload)]
    except (JSONPathError, ValueError, RecursionError, TypeError, KeyError) as error:
        said = f"is no JSONPath that can be used: {error}"
        raise InvalidInput("The path is not valid.", errors=[FieldError("/path", said, part="query")]) from None


async def cached_result(service: ConversationService, conversation: str, result: str) -> CachedResult:
    """Return a result of a tool that was called in a conversation.

    Raises:
        NotFound: no such conversation, or it has no such result.
    """
    row = await service.find(conversation)
    own = col(MessageRow.conversation_key) == row.key, col(MessageRow.role) == "assistant"
    before = MAX_ID
    while True:  # newest first, some at a time: what tools have brought may be large
        query = service.messages.select(service.scope, *own, col(MessageRow.key) < before)
        query = query.order_by(col(MessageRow.key).desc()).limit(_AT_ONCE)
        rows = (await service.session.execute(query)).scalars().all()
        for message in rows:
            if (found := _in(message, result)) is not None:
                return found
        if len(rows) < _AT_ONCE:
            raise NotFound("The conversation has no such result.", code="cached_result_not_found")
        before = rows[-1].key or 0
        service.session.expunge_all()


def _in(message: MessageRow, result: str) -> CachedResult | None:
    for part in parts_of("assistant", "", Message.of(message).said, message.created_at):
        known = part.type in RESPONSES and not part.failed
        if known and cache_id(message.execution_id or "", part.call_id or "") == result:
            return CachedResult(result, part.tool or "", size_of(part.value), part.at, part.value)
    return None
