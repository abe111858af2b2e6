"""Prompt blocks as callers see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cairn.graph.templates import compile_text
from cairn.persistence.tables import PromptBlockRow

BlockType = Literal["static", "dynamic"]
BlockMessage = Literal["system", "user"]
BlockMode = Literal["cached", "real_time"]
BlockScope = Literal["conversation", "turn"]
Source = Literal["prompt_block", "memory", "knowledge_base", "conversation"]
"""What the text of a block is made of; a prompt block's comes from its author or from the installation."""

DEFAULT_TTL = 300


class BlockSettings(BaseModel):
    """How a block is used; all of it can be changed of built-in blocks too.

    Attributes:
        description: for people.
        message: which message of a prompt it goes into.
        mode: cached: what it was rendered to is kept for ``ttl`` seconds; real_time: it is rendered each time.
        scope: conversation: it is put into a conversation once, and what is cached is that conversation's; turn: into
            every turn, and what is cached is for all conversations.
        tags: for people and filters.
        order: blocks stand in a prompt in ascending order, those of the same by name.
        ttl: seconds that a cached output is kept.
        agents: the only ones that may be given it; none: all may.
        enabled: whether prompts have it.
    """

    model_config = ConfigDict(frozen=True)

    description: str = ""
    message: BlockMessage = "system"
    mode: BlockMode = "real_time"
    scope: BlockScope = "conversation"
    tags: list[str] = Field(default_factory=list)
    order: int = 100
    ttl: int = DEFAULT_TTL
    agents: list[str] = Field(default_factory=list)
    enabled: bool = True


class PromptBlock(BlockSettings):
    """A prompt block.

    Attributes:
        name: what prompts and paths name it by.
        type: static: a text of the tenant's; dynamic: built in.
        body: template of a static block.
        overrides: members of a built-in block that the tenant has changed.
        version: new after each change and each emptying of its cache; empty for a built-in block that has had neither.
        created_at: None for a built-in block that is as it comes.
        updated_at: the same.
    """

    name: str
    type: BlockType
    body: str | None = None
    overrides: list[str] = Field(default_factory=list)
    version: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def variables(self) -> list[str]:
        """Names that the body reads."""
        return sorted(compile_text(self.body).names()) if self.body else []

    @classmethod
    def static(cls, row: PromptBlockRow, *, with_body: bool = True) -> PromptBlock:
        """Make a tenant's own block of its row.

        Args:
            row: of the block.
            with_body: whether the body was read.
        """
        return cls.model_validate(
            {
                **row.settings,
                "name": row.name,
                "type": "static",
                "body": row.body if with_body else None,
                "version": row.version,
                "created_at": row.created_at,
                "updated_at": row.updated_at,
            }
        )

    @classmethod
    def built_in(cls, name: str, settings: BlockSettings, row: PromptBlockRow | None) -> PromptBlock:
        """Make a built-in block of what it is by itself and what the tenant has changed of it."""
        own = settings.model_dump()
        if row is None:
            return cls.model_validate({**own, "name": name, "type": "dynamic"})
        changed = {"overrides": sorted(row.settings), "version": row.version}
        if row.settings:
            changed |= {"created_at": row.created_at, "updated_at": row.updated_at}
        return cls.model_validate({**own, **row.settings, **changed, "name": name, "type": "dynamic"})


@dataclass(frozen=True, slots=True)
class BlockFilter:
    """Which blocks of a list are asked for; all conditions hold at once.

    Attributes:
        tag: they have this tag.
        agent: they are for this agent, also those that are for all.
        type: they are of this type.
    """

    tag: str | None = None
    agent: str | None = None
    type: BlockType | None = None

    def passes(self, block: PromptBlock) -> bool:
        """Tell whether a block is asked for."""
        return (
            (self.tag is None or self.tag in block.tags)
            and (self.agent is None or not block.agents or self.agent in block.agents)
            and (self.type is None or self.type == block.type)
        )
