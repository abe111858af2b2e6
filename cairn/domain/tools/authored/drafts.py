"""Drafts of tools: what a model wrote for an agent, until somebody keeps it or lets go of it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.domain.tools.authored.spec import ToolSpec
from cairn.errors import NotFound
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import ToolDraftRow
from cairn.persistence.types import utc_now

LIFETIME = timedelta(days=30)
"""So long a draft is kept."""


@dataclass(frozen=True, slots=True)
class ToolDraft:
    """A draft.

    Attributes:
        tests: calls that its writer thinks should work: ``{arguments, expected}``.
    """

    id: str
    spec: ToolSpec
    tests: Sequence[JsonObject]
    created_at: datetime

    @classmethod
    def of(cls, row: ToolDraftRow) -> ToolDraft:
        """Make it of its row."""
        return cls(row.uuid, ToolSpec.of(row.name, row.description, row.definition), row.tests, row.created_at)


class ToolDrafts:
    """The drafts of a scope's agents within a session; commits nothing."""

    def __init__(self, session: AsyncSession, scope: Scope, author: str | None) -> None:
        """Take the session, whose drafts, and who writes."""
        self._session = session
        self._scope = scope
        self._author = author
        self._rows = Repository(session, ToolDraftRow)

    async def keep(self, agent: str, spec: ToolSpec, tests: Sequence[JsonObject]) -> ToolDraft:
        """Keep a draft for an agent; what is older than ``LIFETIME`` goes."""
        old = *self._rows.owned(self._scope), col(ToolDraftRow.created_at) < utc_now() - LIFETIME
        await self._session.execute(delete(ToolDraftRow).where(*old))
        row = ToolDraftRow(
            tenant=self._scope.tenant,
            live=self._scope.live is not False,
            uuid=f"draft_{uuid.uuid4().hex}",
            agent_id=agent,
            name=spec.name,
            description=spec.description,
            definition=spec.definition,
            tests=list(tests),
            author=self._author,
        )
        return ToolDraft.of(await self._rows.add(row))

    async def list(self, agent: str) -> list[ToolDraft]:
        """Return the drafts of an agent, newest first."""
        mine = col(ToolDraftRow.agent_id) == agent
        return [
            ToolDraft.of(row) for row in await self._rows.all(self._scope, mine, order=(col(ToolDraftRow.id).desc(),))
        ]

    async def get(self, agent: str, draft: str) -> ToolDraft:
        """Return a draft of an agent.

        Raises:
            NotFound: it has no such draft (any more).
        """
        return ToolDraft.of(await self._row(agent, draft))

    async def drop(self, agent: str, draft: str) -> None:
        """Let go of a draft. Raises as ``get``."""
        await self._session.delete(await self._row(agent, draft))

    async def _row(self, agent: str, draft: str) -> ToolDraftRow:
        named = draft if draft.isascii() and draft.isprintable() else ""
        row = await self._rows.get(self._scope, col(ToolDraftRow.agent_id) == agent, col(ToolDraftRow.uuid) == named)
        if row is None:
            raise NotFound("The agent has no such draft.", code="draft_not_found")
        return row
