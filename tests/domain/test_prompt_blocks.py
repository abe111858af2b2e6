"""The cache of prompt blocks where processes meet, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlmodel import col

from cairn.domain.executions.reconcile import Reconciler
from cairn.domain.prompt_blocks import (
    BlockRenderer,
    PromptBlockService,
    RenderCache,
    RenderFor,
    rendering,
)
from cairn.domain.prompt_blocks.cache import LARGEST
from cairn.domain.tools import ToolRegistry
from cairn.domain.tools.authored import ToolService
from cairn.persistence.repository import Scope
from cairn.persistence.session import Database
from cairn.persistence.tables import PromptBlockRenderRow
from cairn.persistence.types import utc_now
from cairn.settings import Settings
from cairn.temporal.connection import connect
from cairn.temporal.executions import ExecutionClient

ACME = Scope("acme", True)
PLAIN = RenderFor(None, None, {})


def renderer(session) -> BlockRenderer:
    tools = ToolService(session, ACME, None, ToolRegistry())
    return BlockRenderer(PromptBlockService(session, ACME), RenderCache(session, ACME), tools)


async def kept(database: Database) -> int:
    async with database.session() as session:
        return (await session.execute(select(func.count()).select_from(PromptBlockRenderRow))).scalar_one()


@pytest.mark.parametrize("name", ["own", "tool_list"])
async def test_what_is_rendered_while_the_cache_is_emptied_is_not_read_afterwards(
    database: Database, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.transaction() as session:
        await PromptBlockService(session, ACME).create("own", "text", {"mode": "cached"})
    wrap = rendering._wrap

    async with database.session() as slow:
        begun = renderer(slow)
        block = await PromptBlockService(slow, ACME).get(name)
        # What the slow process has read, it has read before the other one empties the cache.
        async with database.transaction() as session:
            await renderer(session).invalidate(name)

        async def read_before(_: str):
            return block

        monkeypatch.setattr(begun._blocks, "get", read_before)
        monkeypatch.setattr(rendering, "_wrap", lambda name, _: wrap(name, "old"))
        assert (await begun.render(name, PLAIN)).rendered == f"<{name}>old</{name}>"
        await slow.commit()
    monkeypatch.setattr(rendering, "_wrap", wrap)
    async with database.session() as session:
        found = await renderer(session).render(name, PLAIN)
    assert not found.cached and "old" not in found.rendered
    assert await kept(database) == 1


async def test_outputs_that_are_over_are_removed_by_the_reconciler(database: Database) -> None:
    async with database.transaction() as session:
        blocks = PromptBlockService(session, ACME)
        for name in ("short", "long"):
            await blocks.create(name, name, {"mode": "cached"})
            await renderer(session).render(name, PLAIN)
        row = PromptBlockRenderRow
        over = update(row).where(col(row.block) == "short").values(expires_at=utc_now() - timedelta(seconds=1))
        await session.execute(over)
    temporal = ExecutionClient(await connect(Settings(), lazy=True), Settings())  # is not asked
    await Reconciler(database, temporal, utc_now()).purge()
    assert await kept(database) == 1
    async with database.session() as session:
        assert (await renderer(session).render("long", PLAIN)).cached
        assert not (await renderer(session).render("short", PLAIN)).cached


async def test_a_huge_output_is_rendered_each_time(database: Database) -> None:
    async with database.transaction() as session:
        await PromptBlockService(session, ACME).create("own", "{{ text }}", {"mode": "cached"})
        asked = RenderFor(None, None, {"text": "x" * LARGEST})
        assert not (await renderer(session).render("own", asked)).cached
        assert not (await renderer(session).render("own", asked)).cached
    assert await kept(database) == 0
