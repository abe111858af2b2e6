"""From the blocks that an agent's configuration names to the text that its turns have of them."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from cairn.contracts.json import JsonObject
from cairn.domain.context.model import (
    AgentBlocks,
    BuiltBlock,
    ContextBlock,
    ContextBlocks,
    Given,
    LoadedBlock,
    Skipped,
)
from cairn.domain.conversations.blocks import BlocksOfConversation
from cairn.domain.conversations.rows import find_conversation
from cairn.domain.prompt_blocks import BlockRenderer, PromptBlock, PromptBlockService, RenderCache, RenderFor
from cairn.domain.prompt_blocks.built_in import BUILT_IN
from cairn.domain.tools.authored import ToolService
from cairn.domain.tools.registry import ToolRegistry
from cairn.errors import FieldError, InvalidInput, NotFound
from cairn.persistence.repository import Scope
from cairn.persistence.tables import ConversationBlockRow, ConversationRow

LARGEST = 500_000
"""Characters of all blocks of a turn."""


class AgentContext:
    """The context blocks of agents, within one session; commits nothing."""

    def __init__(self, session: AsyncSession, scope: Scope, tools: ToolRegistry, user_id: str | None = None) -> None:
        """Take the session, whose blocks, the installation's tools, of which there is a block, and who is spoken with.

        In a conversation that is its user.
        """
        self._session = session
        self._scope = scope
        self._user_id = user_id
        self._blocks = PromptBlockService(session, scope)
        self._cache = RenderCache(session, scope)
        self._renderer = BlockRenderer(self._blocks, self._cache, ToolService(session, scope, None, tools))

    async def list(self, agent: AgentBlocks) -> ContextBlocks:
        """Return the blocks that an agent's turns have, and those that it names in vain."""
        found, skipped = await self._assigned(agent)
        return ContextBlocks([await self._told(each) for each in found], skipped)

    async def build(
        self,
        agent: AgentBlocks,
        names: Sequence[str] | None,
        conversation: str | None,
        variables: JsonObject,
    ) -> builtins.list[BuiltBlock]:
        """Return blocks as a turn would have them.

        Args:
            agent: whose.
            names: of the blocks; None: all that its turns have.
            conversation: id of the turn's; what was put into it once is taken from there.
            variables: what blocks read by name, besides the conversation's metadata.

        Raises:
            NotFound: there is no such conversation, or no block of one of the names (``prompt_block_not_found``).
            InvalidInput: one is not for this agent, or cannot be rendered; or all are too long
                (``context_too_large``).
        """
        blocks = (await self._assigned(agent))[0] if names is None else await self._named(agent, names)
        row = await self._conversation(conversation)
        return [built for _, built in await self._built(blocks, row, variables)]

    async def preload(
        self, agent: AgentBlocks, names: Sequence[str] | None, conversation: str | None
    ) -> builtins.list[LoadedBlock]:
        """Render blocks whose output is kept, so that a turn finds them.

        Args:
            agent: whose.
            names: of the blocks; None: all that its turns have and whose output is kept.
            conversation: id of the turn's.

        Raises:
            NotFound, InvalidInput: as of :meth:`build`; also when the output of one that is named is not kept.
        """
        if names is None:
            blocks = [each for each in (await self._assigned(agent))[0] if each.mode == "cached"]
        else:
            blocks = await self._named(agent, names)
        for block in blocks:
            if block.mode != "cached":
                raise _wrong(names or (), block.name, "is rendered each time: nothing of it is kept")
        asked = self._asked(await self._conversation(conversation), {})
        made = [(each.name, await self._renderer.render_block(each, asked)) for each in blocks]
        return [LoadedBlock(name, rendered.cached, rendered.tokens) for name, rendered in made]

    async def give(self, agent: AgentBlocks, conversation: str | None, variables: JsonObject) -> Given:
        """Return what a turn is given; what is put into the conversation once is kept for its later turns.

        Raises:
            NotFound, InvalidInput: as of :meth:`build`.
        """
        there, built = await self._conversation(conversation), builtins.list[BuiltBlock]()
        for block, made in await self._built((await self._assigned(agent))[0], there, variables):
            if made.content and there is not None and block.scope == "conversation":
                row = await self._within(there).put(block.name, block.version, made.content, made.tokens)
                built.append(replace(made, content=row.rendered, tokens=row.tokens))
            elif made.content:
                built.append(made)
        of = {message: [each.content for each in built if each.message == message] for message in ("system", "user")}
        return Given("\n\n".join(of["system"]), "\n\n".join(of["user"]), built)

    async def _built(
        self, blocks: Sequence[PromptBlock], conversation: ConversationRow | None, variables: JsonObject
    ) -> builtins.list[tuple[PromptBlock, BuiltBlock]]:
        asked = self._asked(conversation, variables)
        there: Mapping[str, ConversationBlockRow] = {}
        if conversation is not None:
            there = await self._within(conversation).all()
        built: builtins.list[tuple[PromptBlock, BuiltBlock]] = []
        for block in blocks:
            kept = there.get(block.name) if block.scope == "conversation" else None
            if kept is not None and kept.version == block.version:
                made = BuiltBlock(block.name, kept.rendered, kept.tokens, True, block.message)
            else:
                rendered = await self._renderer.render_block(block, asked)
                content, tokens = ("", 0) if rendered.empty else (rendered.rendered, rendered.tokens)
                made = BuiltBlock(block.name, content, tokens, rendered.cached, block.message)
            built.append((block, made))
        length = sum(len(made.content) for _, made in built)
        if length > LARGEST:
            message = f"The blocks have {length} characters, over the limit of {LARGEST}."
            raise InvalidInput(message, code="context_too_large", errors=[FieldError("/blocks", message)])
        return built

    async def _conversation(self, conversation: str | None) -> ConversationRow | None:
        return None if conversation is None else await find_conversation(self._session, self._scope, conversation)

    def _asked(self, conversation: ConversationRow | None, variables: JsonObject) -> RenderFor:
        if conversation is None:
            return RenderFor(self._user_id, None, variables)
        user_id = conversation.user_id or self._user_id
        return RenderFor(user_id, conversation.id, {**conversation.metadata_, **variables})

    def _within(self, conversation: ConversationRow) -> BlocksOfConversation:
        return BlocksOfConversation(self._session, self._scope, conversation)

    async def _assigned(self, agent: AgentBlocks) -> tuple[builtins.list[PromptBlock], builtins.list[Skipped]]:
        """Return the blocks that an agent's turns have, as prompts have them, and those that it names in vain."""
        found: builtins.list[PromptBlock] = []
        skipped: builtins.list[Skipped] = []
        for name in dict.fromkeys(agent.names):
            try:
                block = await self._blocks.get(name)
            except NotFound:
                skipped.append(Skipped(name, "there is no such block"))
                continue
            if not agent.may_have(block):
                skipped.append(Skipped(name, "it is for other agents"))
            elif not block.enabled:
                skipped.append(Skipped(name, "it is not enabled"))
            else:
                found.append(block)
        return sorted(found, key=lambda each: (each.order, each.name)), skipped

    async def _named(self, agent: AgentBlocks, names: Sequence[str]) -> builtins.list[PromptBlock]:
        found = [await self._blocks.get(name) for name in dict.fromkeys(names)]
        for block in found:
            if not agent.may_have(block):
                raise _wrong(names, block.name, "is for other agents")
        return found

    async def _told(self, block: PromptBlock) -> ContextBlock:
        cacheable = block.mode == "cached"
        return ContextBlock(
            name=block.name,
            description=block.description,
            source=BUILT_IN[block.name].source if block.type == "dynamic" else "prompt_block",
            cacheable=cacheable,
            ttl_seconds=block.ttl if cacheable else None,
            tokens=await self._cache.tokens(block) if cacheable else None,
            message=block.message,
            scope=block.scope,
            order=block.order,
        )


def _wrong(names: Sequence[str], name: str, said: str) -> InvalidInput:
    return InvalidInput(f"The block {name!r} {said}.", errors=[FieldError(f"/blocks/{[*names].index(name)}", said)])
