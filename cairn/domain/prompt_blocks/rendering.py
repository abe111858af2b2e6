"""From a block to the text that a prompt has of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from cairn.contracts.json import digest
from cairn.domain.prompt_blocks.built_in import BUILT_IN, RenderFor
from cairn.domain.prompt_blocks.cache import RenderCache
from cairn.domain.prompt_blocks.model import PromptBlock
from cairn.domain.prompt_blocks.service import PromptBlockService
from cairn.domain.tokens import count_tokens
from cairn.domain.tools.authored import ToolService
from cairn.errors import FieldError, InvalidInput, NotFound
from cairn.graph.templates import TemplateError, compile_text


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a prompt has of a block.

    Attributes:
        rendered: its text within ``<name>…</name>``.
        tokens: of all of it.
        cached: whether it was rendered before.
    """

    rendered: str
    tokens: int
    cached: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    """A block that is ready; ``cached``: it was so before."""

    name: str
    cached: bool
    tokens: int


class BlockRenderer:
    """Renders the blocks of a scope within a session; commits nothing."""

    def __init__(self, blocks: PromptBlockService, cache: RenderCache, tools: ToolService) -> None:
        """Take the blocks, what they were rendered to, and the tools of which there is a block."""
        self._blocks = blocks
        self._cache = cache
        self._tools = tools

    async def render(self, name: str, asked: RenderFor) -> Rendered:
        """Render a block, or take what it was rendered to before.

        Raises:
            NotFound: there is no such block.
            InvalidInput: it cannot be rendered with these variables.
        """
        block = await self._blocks.get(name)
        if block.mode == "real_time":
            return await asyncio.to_thread(_wrap, name, await self._text(block, asked))
        key = await asyncio.to_thread(_key, block, asked)  # variables may be large
        if found := await self._cache.find(block, key):
            return Rendered(found.rendered, found.tokens, cached=True)
        made = await asyncio.to_thread(_wrap, name, await self._text(block, asked))
        await self._cache.keep(block, key, made.rendered, made.tokens)
        return made

    async def preload(self, names: Sequence[str] | None, assigned: Sequence[str], asked: RenderFor) -> list[Loaded]:
        """Render blocks whose output is kept, so that a turn finds them.

        Args:
            names: of the blocks; None: of those assigned, all that are kept.
            assigned: names of an agent's blocks; of some there may be none.
            asked: for whom.

        Raises:
            NotFound: there is no block of one of the names.
            InvalidInput: the output of one of them is not kept, or it cannot be rendered.
        """
        loaded: list[Loaded] = []
        for index, name in enumerate(dict.fromkeys(assigned if names is None else names)):
            try:
                block = await self._blocks.get(name)
            except NotFound:
                if names is None:
                    continue
                raise
            if block.mode == "cached":
                made = await self.render(name, asked)
                loaded.append(Loaded(name, made.cached, made.tokens))
            elif names is not None:
                said = "is rendered each time: nothing of it is kept"
                raise InvalidInput(f"The block {name!r} {said}.", errors=[FieldError(f"/blocks/{index}", said)])
        return loaded

    async def invalidate(self, name: str) -> int:
        """Forget what a block was rendered to, and return how many outputs that were.

        Raises:
            NotFound: there is no such block.
        """
        row = await self._blocks.row_to_change(name)
        number = await self._cache.count(await self._blocks.get(name))
        await self._blocks.renew(row)
        return number

    async def _text(self, block: PromptBlock, asked: RenderFor) -> str:
        if block.body is None:
            return await BUILT_IN[block.name].text(asked, self._tools)
        try:
            return await asyncio.to_thread(_fill, block.body, asked)
        except TemplateError as error:
            message = f"The block cannot be rendered with these variables: {error.message}."
            raise InvalidInput(message, errors=[FieldError("/variables", error.message)]) from None


def _fill(body: str, asked: RenderFor) -> str:
    return compile_text(body).render({"input": asked.variables})


def _wrap(name: str, text: str) -> Rendered:
    # What is inside must not end the block: text after it would read as if the prompt's author had written it.
    inside = text.replace(f"</{name}", f"<\\/{name}")
    rendered = f"<{name}>{inside}</{name}>"
    return Rendered(rendered, count_tokens(rendered), cached=False)


def _key(block: PromptBlock, asked: RenderFor) -> str:
    """Return a digest of all that the output depends on."""
    of_user = block.body is None and BUILT_IN[block.name].of_user
    return digest(
        {
            "variables": asked.variables,
            "conversation": asked.conversation_id if block.scope == "conversation" else None,
            "user": asked.user_id if of_user else None,
        }
    )
