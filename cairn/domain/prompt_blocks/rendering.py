"""From a block to the text that a prompt has of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cairn.contracts.json import digest
from cairn.domain.prompt_blocks.built_in import BUILT_IN, Known, RenderFor
from cairn.domain.prompt_blocks.cache import RenderCache
from cairn.domain.prompt_blocks.model import PromptBlock
from cairn.domain.prompt_blocks.service import PromptBlockService
from cairn.domain.tokens import count_tokens
from cairn.domain.tools.authored import ToolService
from cairn.errors import FieldError, InvalidInput
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

    @property
    def empty(self) -> bool:
        """Whether there is nothing within."""
        return not self.rendered.partition(">")[2].rpartition("</")[0].strip()


class BlockRenderer:
    """Renders the blocks of a scope within a session; commits nothing."""

    def __init__(self, blocks: PromptBlockService, cache: RenderCache, tools: ToolService) -> None:
        """Take the blocks, what they were rendered to, and the tools of which there is a block."""
        self._blocks = blocks
        self._cache = cache
        self._known = Known(blocks.session, blocks.scope, tools)

    async def render(self, name: str, asked: RenderFor) -> Rendered:
        """Render a block, or take what it was rendered to before.

        Raises:
            NotFound: there is no such block.
            InvalidInput: it cannot be rendered with these variables.
        """
        return await self.render_block(await self._blocks.get(name), asked)

    async def render_block(self, block: PromptBlock, asked: RenderFor) -> Rendered:
        """Render a block that was read, or take what it was rendered to before; raises ``InvalidInput`` as above."""
        name = block.name
        if block.mode == "real_time":
            return await asyncio.to_thread(_wrap, name, await self._text(block, asked))
        key = await asyncio.to_thread(_key, block, asked)  # variables may be large
        if found := await self._cache.find(block, key):
            return Rendered(found.rendered, found.tokens, cached=True)
        made = await asyncio.to_thread(_wrap, name, await self._text(block, asked))
        await self._cache.keep(block, key, made.rendered, made.tokens)
        return made

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
            return await BUILT_IN[block.name].text(asked, self._known)
        try:
            return await asyncio.to_thread(_fill, block.body, asked)
        except TemplateError as error:
            message = f"The block {block.name!r} cannot be rendered with these variables: {error.message}."
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
    built_in = BUILT_IN[block.name] if block.body is None else None
    of_user = built_in is not None and built_in.of_user
    of_conversation = block.scope == "conversation" or (built_in is not None and built_in.of_conversation)
    read = built_in.reads if built_in is not None else frozenset(block.variables)
    return digest(
        {
            # `input` stands for all of them.
            "variables": {name: value for name, value in asked.variables.items() if name in read or "input" in read},
            "conversation": asked.conversation_id if of_conversation else None,
            "user": asked.user_id if of_user else None,
        }
    )
