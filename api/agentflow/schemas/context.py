"""Context blocks as agentflow takes and shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.kit.body import Body
from cairn.domain import context as domain
from cairn.domain.prompt_blocks.model import BlockMessage, BlockScope, Source

Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=256)]
ConversationId = Annotated[
    str | None,
    Field(
        min_length=1, max_length=255, description="The conversation whose turn is meant; its metadata are variables."
    ),
]


class ContextBlock(BaseModel):
    """A block that the agent's turns have."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    description: str
    source: Source = Field(
        description="What its text is made of: its author's or the installation's, memory, knowledge, the conversation."
    )
    cacheable: bool = Field(description="What it was rendered to is kept.")
    ttl_seconds: int | None = Field(description="For so long; null when it is not kept.")
    tokens: int | None = Field(description="Of what is kept of it; null when nothing is.")
    message: BlockMessage = Field(description="Which message of a prompt it goes into.")
    scope: BlockScope = Field(description="`conversation`: put into a conversation once; `turn`: into every turn.")
    order: int = Field(description="Blocks stand in a prompt in ascending order.")


class SkippedBlock(BaseModel):
    """A name in the agent's configuration whose block its turns do not have."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    reason: str


class ContextBlockList(BaseModel):
    """A page of an agent's blocks, as prompts have them."""

    blocks: list[ContextBlock]
    total: int
    page: int
    page_size: int
    skipped: list[SkippedBlock] = Field(description="What the configuration names in vain, with the reason.")

    @classmethod
    def of(cls, found: domain.ContextBlocks, page: int, page_size: int) -> ContextBlockList:
        """Make the page of what the domain found."""
        shown = found.blocks[(page - 1) * page_size : page * page_size]
        return cls(
            blocks=[ContextBlock.model_validate(each) for each in shown],
            total=len(found.blocks),
            page=page,
            page_size=page_size,
            skipped=[SkippedBlock.model_validate(each) for each in found.skipped],
        )


class BuildContext(Body):
    """What is to be rendered, and with what."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{}, {"blocks": ["current_time"], "variables": {"timezone": "Europe/Berlin"}}],
        }
    )

    blocks: Names | None = Field(default=None, description="Names; without them all that the agent's turns have.")
    conversation_id: ConversationId = None
    variables: dict[str, Any] = Field(
        default_factory=dict, description="What blocks read by name; a turn has the metadata of its message."
    )


class BuiltBlock(BaseModel):
    """A block as a turn has it."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    content: str = Field(
        description="Within `<name>…</name>`; empty where there is nothing to say: turns leave it out."
    )
    tokens: int
    cached: bool = Field(description="It was rendered before.")
    message: BlockMessage


class BuiltContext(BaseModel):
    """Blocks as a turn has them, in the order of prompts."""

    blocks: list[BuiltBlock]
    total_tokens: int

    @classmethod
    def of(cls, built: Sequence[domain.BuiltBlock]) -> BuiltContext:
        """Make it of what the domain says."""
        return cls(
            blocks=[BuiltBlock.model_validate(each) for each in built],
            total_tokens=sum(each.tokens for each in built),
        )


class PreloadContext(Body):
    """Which blocks are to be ready."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"blocks": ["tool_list"]}]})

    blocks: Names | None = Field(
        default=None, description="Names of blocks whose output is kept; without them all of the agent's."
    )
    conversation_id: ConversationId = None


class LoadedBlock(BaseModel):
    """A block that is ready."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    cached: bool = Field(description="It was so before.")
    tokens: int


class LoadedContext(BaseModel):
    """Blocks that are ready."""

    loaded: list[LoadedBlock]

    @classmethod
    def of(cls, loaded: Iterable[domain.LoadedBlock]) -> LoadedContext:
        """Make it of what the domain says."""
        return cls(loaded=[LoadedBlock.model_validate(each) for each in loaded])
