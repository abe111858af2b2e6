"""What cached blocks were rendered to: rows that all processes share, each for all that the output depends on."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cairn.domain.prompt_blocks.model import PromptBlock
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import PromptBlockRenderRow
from cairn.persistence.types import utc_now

LARGEST = 65_536
"""Characters of an output that is kept; a longer one is rendered each time."""


class RenderCache:
    """Outputs of a scope's blocks within a session; commits nothing.

    An output is kept under the version that its block had before the rendering began. A change of the block, or the
    emptying of its cache, gives it another version: what was rendered meanwhile is then kept where nobody looks.
    """

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        """Take the session and whose outputs."""
        self._session = session
        self._scope = scope
        self._rows = Repository(session, PromptBlockRenderRow)

    async def find(self, block: PromptBlock, key: str) -> PromptBlockRenderRow | None:
        """Return an output that is still good."""
        row = PromptBlockRenderRow
        return await self._rows.get(
            self._scope,
            col(row.block) == block.name,
            col(row.version) == block.version,
            col(row.key) == key,
            col(row.expires_at) > utc_now(),
        )

    async def keep(self, block: PromptBlock, key: str, rendered: str, tokens: int) -> None:
        """Keep an output for as long as the block says."""
        if len(rendered) > LARGEST or "\0" in rendered:  # which PostgreSQL has not in texts
            return
        row, now = PromptBlockRenderRow, utc_now()
        old = [col(row.block) == block.name, col(row.version) == block.version, col(row.expires_at) <= now]
        await self._session.execute(
            delete(row).where(*self._rows.owned(self._scope), *old).execution_options(synchronize_session=False)
        )
        made = row(
            tenant=self._scope.tenant,
            live=self._scope.live is not False,
            block=block.name,
            version=block.version,
            key=key,
            rendered=rendered,
            tokens=tokens,
            expires_at=now + timedelta(seconds=block.ttl),
        )
        try:
            async with self._session.begin_nested():
                await self._rows.add(made)
        except IntegrityError:
            return  # rendered by two at once: the first one's is as good

    async def count(self, block: PromptBlock) -> int:
        """Return how many outputs of a block are still good."""
        row = PromptBlockRenderRow
        good = [col(row.version) == block.version, col(row.expires_at) > utc_now()]
        return await self._rows.count(self._scope, col(row.block) == block.name, *good)

    async def tokens(self, block: PromptBlock) -> int | None:
        """Return how many tokens the newest output of a block has that is still good."""
        row = PromptBlockRenderRow
        good = [col(row.block) == block.name, col(row.version) == block.version, col(row.expires_at) > utc_now()]
        newest = self._rows.select(self._scope, *good).order_by(col(row.id).desc()).limit(1)
        found = (await self._session.execute(newest)).scalar_one_or_none()
        return None if found is None else found.tokens


async def purge_renders(session: AsyncSession) -> None:
    """Remove the outputs of all tenants that are not read any more."""
    old = col(PromptBlockRenderRow.expires_at) <= utc_now()
    await session.execute(delete(PromptBlockRenderRow).where(old).execution_options(synchronize_session=False))
