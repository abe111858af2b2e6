"""Context blocks as callers and turns see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cairn.domain.prompt_blocks.model import BlockMessage, BlockScope, PromptBlock, Source


@dataclass(frozen=True, slots=True)
class AgentBlocks:
    """The blocks that an agent's configuration names.

    Attributes:
        agent_id: the agent.
        names: each once; of some there may be no block.
    """

    agent_id: str
    names: Sequence[str]

    def may_have(self, block: PromptBlock) -> bool:
        """Tell whether a block is for the agent."""
        return not block.agents or self.agent_id in block.agents


@dataclass(frozen=True, slots=True)
class ContextBlock:
    """A block that an agent's turns have.

    Attributes:
        source: what its text is made of.
        cacheable: what it was rendered to is kept.
        ttl_seconds: for so long; None when it is not.
        tokens: of what is kept of it; None when nothing is.
        message: which message of a prompt it goes into.
        scope: conversation: it is put into a conversation once; turn: into every turn.
        order: blocks stand in a prompt in ascending order, those of the same by name.
    """

    name: str
    description: str
    source: Source
    cacheable: bool
    ttl_seconds: int | None
    tokens: int | None
    message: BlockMessage
    scope: BlockScope
    order: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A name in an agent's configuration whose block its turns do not have, and why not."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ContextBlocks:
    """What an agent's configuration names: the blocks in the order that prompts have them in, and the rest."""

    blocks: Sequence[ContextBlock]
    skipped: Sequence[Skipped]


@dataclass(frozen=True, slots=True)
class BuiltBlock:
    """A block as a turn has it.

    Attributes:
        content: within ``<name>…</name>``; empty when there is nothing to say, and then turns leave it out.
        cached: it was rendered before.
    """

    name: str
    content: str
    tokens: int
    cached: bool
    message: BlockMessage


@dataclass(frozen=True, slots=True)
class LoadedBlock:
    """A block that is ready; ``cached``: it was so before."""

    name: str
    cached: bool
    tokens: int


@dataclass(frozen=True, slots=True)
class Given:
    """What a turn is given.

    Attributes:
        system: for the model's instructions.
        user: to stand before the person's message.
        blocks: what both are made of.
    """

    system: str
    user: str
    blocks: Sequence[BuiltBlock]
