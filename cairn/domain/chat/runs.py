"""The turns of a conversation as executions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.domain.conversations import ConversationService
from cairn.domain.executions.service import ExecutionService
from cairn.persistence.paging import Page
from cairn.persistence.repository import Repository
from cairn.persistence.tables import ExecutionRow, MessageRow
from cairn.temporal.checkpoints import Checkpoint


@dataclass(frozen=True, slots=True)
class Run:
    """A turn.

    Attributes:
        message_id: the person's message; None for one that was answered anew since.
    """

    execution_id: str
    message_id: str | None
    status: str
    started_at: datetime
    ended_at: datetime | None
    usage: JsonObject | None
    checkpoints: list[Checkpoint]


class Runs:
    """Reads the turns of a principal's conversations."""

    def __init__(self, executions: ExecutionService, conversations: ConversationService) -> None:
        """Take both, of one session."""
        self._executions = executions
        self._conversations = conversations

    async def list(self, conversation: str, page: int, page_size: int, anchor: int | None = None) -> Page[Run]:
        """Return a page of a conversation's turns, newest first.

        Raises:
            NotFound: no such conversation.
            Unavailable: Temporal does not answer.
        """
        service = self._conversations
        row = await service.find(conversation)
        own = col(MessageRow.conversation_key) == row.key, col(MessageRow.execution_id).is_not(None)
        turns = select(col(MessageRow.execution_id)).where(*service.messages.owned(service.scope), *own)
        rows = Repository(service.session, ExecutionRow)
        found = await rows.page(
            service.scope,
            col(ExecutionRow.id).in_(turns),
            key=ExecutionRow.key,
            page=page,
            page_size=page_size,
            anchor=anchor,
        )
        ids = {each.id: (each.closed_at, each.metadata_.get("message_id")) for each in found.items}
        runs: dict[str, Run] = {}
        for execution_id, (closed_at, message_id) in ids.items():
            now = await self._executions.get(execution_id)
            named = message_id if isinstance(message_id, str) else None
            ended = closed_at if now.status in ("completed", "failed", "cancelled") else None
            checkpoints = now.checkpoints or []
            runs[execution_id] = Run(now.id, named, now.status, now.created_at, ended or None, now.usage, checkpoints)
        return found.map(lambda each: runs[each.id])

    async def latest_checkpoints(self, executions: Iterable[str | None]) -> dict[str, str]:
        """Return the id of the latest checkpoint of each execution that has one.

        Raises:
            Unavailable: Temporal does not answer.
        """
        found: dict[str, str] = {}
        for execution in {each for each in executions if each is not None}:
            checkpoints = (await self._executions.get(execution)).checkpoints
            if checkpoints:
                found[execution] = checkpoints[-1].id
        return found
