"""The prompt blocks of a tenant: its own, and the built-in ones with what it has changed of them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlmodel import col

from cairn.contracts.json import JsonObject
from cairn.domain.prompt_blocks.built_in import BUILT_IN
from cairn.domain.prompt_blocks.model import BlockFilter, PromptBlock
from cairn.errors import Conflict, FieldError, InvalidInput, NotFound
from cairn.graph.templates import TemplateError, compile_text
from cairn.persistence.paging import Page
from cairn.persistence.repository import Repository, Scope
from cairn.persistence.tables import PromptBlockRenderRow, PromptBlockRow
from cairn.persistence.types import utc_now


class PromptBlockService:
    """Keeps the prompt blocks of a scope within a session; commits nothing.

    Whatever takes a name raises ``NotFound`` (``prompt_block_not_found``) when the scope has no block of it.
    """

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        """Take the session and whose blocks."""
        self.session = session
        self.scope = scope
        self._rows = Repository(session, PromptBlockRow)

    async def list(
        self, which: BlockFilter, page: int = 1, page_size: int = 20, anchor: int | None = None
    ) -> Page[PromptBlock]:
        """Return a page of the blocks in the order that prompts have them in; their bodies are not read.

        Args:
            which: blocks are asked for.
            page: from 1.
            page_size: blocks a page.
            anchor: of the first page of the same reading, so that blocks made since then do not shift the others.
        """
        if anchor is None:
            newest = select(func.max(PromptBlockRow.id)).where(*self._rows.owned(self.scope))
            anchor = (await self.session.execute(newest)).scalar_one()
        query = self._rows.select(self.scope, col(PromptBlockRow.id) <= (anchor or 0))
        rows = await self.session.execute(query.options(defer(PromptBlockRow.body, raiseload=True)))  # pyright: ignore[reportArgumentType]
        found = [block for block in _blocks(rows.scalars().all()) if which.passes(block)]
        found.sort(key=lambda block: (block.order, block.name))
        first = (page - 1) * page_size
        return Page(found[first : first + page_size], len(found), page, page_size, anchor)

    async def get(self, name: str) -> PromptBlock:
        """Return a block, a static one with its body."""
        return _block(name, await self._row(name))

    async def create(self, name: str, body: str, settings: JsonObject) -> PromptBlock:
        """Make a static block.

        Args:
            name: what prompts and paths name it by.
            body: template of its text.
            settings: members of ``BlockSettings``.

        Raises:
            InvalidInput: the body is no template.
            Conflict: there is a block of this name (``prompt_block_exists``).
        """
        await _check_template(body)
        if name in BUILT_IN:
            raise Conflict(f"The block {name!r} is built in.", code="prompt_block_exists")
        row = self._new(name, "static", body=body, settings=_told(settings))
        try:
            async with self.session.begin_nested():
                await self._rows.add(row)
        except IntegrityError:
            raise Conflict(f"There is a prompt block {name!r}.", code="prompt_block_exists") from None
        return PromptBlock.static(row)

    async def update(self, name: str, changes: JsonObject, body: str | None = None) -> PromptBlock:
        """Change what is given; what was cached of the block is forgotten.

        Args:
            name: of the block.
            changes: members of ``BlockSettings``; None sets one back to what it is by default.
            body: a new body of a static block.

        Raises:
            InvalidInput: the body is no template.
            Conflict: the block is built in and has no body to change (``prompt_block_built_in``).
        """
        if body is not None:
            await _check_template(body)
        row = await self.row_to_change(name)
        if body is not None and row.type == "dynamic":
            raise Conflict(f"The block {name!r} is built in: its body cannot be changed.", code="prompt_block_built_in")
        row.body = row.body if body is None else body
        row.settings = _told({**row.settings, **changes})
        row.updated_at = utc_now()
        await self.renew(row)
        return _block(name, row)

    async def delete(self, name: str) -> None:
        """Remove a static block, or what has been changed of a built-in one.

        Raises:
            Conflict: nothing has been changed of the built-in block (``prompt_block_not_overridden``).
        """
        row = await self._row(name, lock=True)
        if row is not None and row.type == "static":
            await self.session.delete(row)
            await self.forget(name)
        elif row is not None and row.settings:
            # The row stays: what was cached before must not be read again under the version of an untouched block.
            row.settings = {}
            await self.renew(row)
        else:
            message = f"The block {name!r} is built in, and nothing of it has been changed."
            raise Conflict(message, code="prompt_block_not_overridden")

    async def row_to_change(self, name: str) -> PromptBlockRow:
        """Return a block's row and keep other writers off it; a built-in block without one gets it."""
        row = await self._row(name, lock=True)
        if row is None:
            try:
                async with self.session.begin_nested():
                    # Its version is still that of an untouched block, under which things may have been cached.
                    row = await self._rows.add(self._new(name, "dynamic", body=None, settings={}, version=""))
            except IntegrityError:  # somebody else was faster
                return await self.row_to_change(name)
        return row

    async def renew(self, row: PromptBlockRow) -> None:
        """Give a block a new version, so that nothing is read that was cached of it, nor what is being rendered now."""
        row.version = uuid.uuid4().hex
        await self.session.flush()
        await self.forget(row.name)

    async def forget(self, name: str) -> None:
        """Remove all that was cached of a block."""
        theirs = Repository(self.session, PromptBlockRenderRow).owned(self.scope)
        await self.session.execute(
            delete(PromptBlockRenderRow)
            .where(*theirs, col(PromptBlockRenderRow.block) == name)
            .execution_options(synchronize_session=False)
        )
        await self.session.flush()

    async def _row(self, name: str, *, lock: bool = False) -> PromptBlockRow | None:
        """Return the row of a block, None for a built-in one that has none.

        Raises:
            NotFound: there is no block of this name.
        """
        named = name if name.isascii() and name.isprintable() else ""
        row = await self._rows.get(self.scope, col(PromptBlockRow.name) == named, lock=lock)
        if row is None and name not in BUILT_IN:
            raise NotFound("No such prompt block.", code="prompt_block_not_found")
        return row

    def _new(
        self, name: str, kind: str, *, body: str | None, settings: JsonObject, version: str | None = None
    ) -> PromptBlockRow:
        return PromptBlockRow(
            tenant=self.scope.tenant,
            live=self.scope.live is not False,
            name=name,
            type=kind,
            body=body,
            settings=settings,
            version=uuid.uuid4().hex if version is None else version,
        )


def _told(settings: JsonObject) -> JsonObject:
    """Return what is kept of settings: all but what is to be as by default."""
    return {name: value for name, value in settings.items() if value is not None}


def _block(name: str, row: PromptBlockRow | None) -> PromptBlock:
    if row is not None and row.type == "static":
        return PromptBlock.static(row)
    return PromptBlock.built_in(name, BUILT_IN[name].settings, row)


def _blocks(rows: Sequence[PromptBlockRow]) -> list[PromptBlock]:
    """Return the own blocks and all built-in ones."""
    changed = {row.name: row for row in rows if row.type == "dynamic"}
    own = {row.name: PromptBlock.static(row, with_body=False) for row in rows if row.type == "static"}
    given = {
        name: PromptBlock.built_in(name, built_in.settings, changed.get(name)) for name, built_in in BUILT_IN.items()
    }
    # An own block stands before one that a later release has built in under its name.
    return list({**given, **own}.values())


async def _check_template(body: str) -> None:
    try:
        if "\0" in body:
            raise TemplateError("a text has no NUL character")
        await asyncio.to_thread(compile_text, body)
    except TemplateError as error:
        raise InvalidInput("The body is not a template.", errors=[FieldError("/body", error.message)]) from None
