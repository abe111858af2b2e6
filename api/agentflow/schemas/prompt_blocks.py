"""Prompt blocks as agentflow takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.kit.body import INTEGRAL, Body, leave_out_default
from cairn.contracts.json import JsonObject
from cairn.domain import prompt_blocks as domain
from cairn.domain.prompt_blocks.model import DEFAULT_TTL, BlockMessage, BlockMode, BlockScope, BlockType
from cairn.domain.tokens import ENCODING
from cairn.graph.templates import MAX_SOURCE
from cairn.persistence.paging import Page

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Template = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_SOURCE,
        description="A template: `{{ name }}`, `{{ name | there }}`, `{% if %}`, `{% for %}`, as in prompts of graphs.",
    ),
]
Description = Annotated[str, Field(max_length=2000)]
Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=50)]
Agents = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=255)]],
    Field(max_length=1000, description="The only agents that may be given it; empty: all."),
]
Order = Annotated[
    int, Field(ge=-1_000_000, le=1_000_000, description="Blocks stand in a prompt in ascending order."), INTEGRAL
]
Ttl = Annotated[
    int,
    Field(ge=1, le=2_592_000, description="Seconds that a cached output is kept; of no use in real time."),
    INTEGRAL,
]
Mode = Annotated[
    BlockMode,
    Field(description="`cached`: what it was rendered to is kept for `ttl` seconds; `real_time`: rendered each time."),
]
Scope = Annotated[
    BlockScope,
    Field(
        description="`conversation`: put in once, and cached for each; `turn`: put into every turn, and cached for all."
    ),
]


class CreatePromptBlock(Body):
    """Make a static block."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "house-style",
                    "description": "How we write to customers",
                    "body": "Write to {{ customer | the customer }} in plain words.",
                    "tags": ["style"],
                    "order": 60,
                }
            ]
        }
    )

    name: Name
    body: Template
    type: Literal["static"] = Field(default="static", description="Dynamic blocks come with the installation.")
    description: Description = ""
    message: BlockMessage = "system"
    mode: Mode = "real_time"
    scope: Scope = "conversation"
    tags: Tags = Field(default_factory=list)
    order: Order = 100
    ttl: Ttl = DEFAULT_TTL
    agents: Agents = Field(default_factory=list)
    enabled: bool = True

    def settings(self) -> JsonObject:
        """Return how the block is to be used."""
        return self.model_dump(include=self.model_fields_set - {"name", "body", "type"})


class ChangePromptBlock(Body):
    """Change what is given; null sets a member back to what it is by default."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False}, {"mode": "cached", "ttl": 60}]})

    body: Annotated[Template, Field(json_schema_extra=leave_out_default)] = ""
    description: Description | None = None
    message: BlockMessage | None = None
    mode: Mode | None = None
    scope: Scope | None = None
    tags: Tags | None = None
    order: Order | None = None
    ttl: Ttl | None = None
    agents: Agents | None = None
    enabled: bool | None = None

    def settings(self) -> JsonObject:
        """Return what is to be changed of how the block is used."""
        return self.model_dump(include=self.model_fields_set - {"body"})


class PromptBlockSummary(BaseModel):
    """A block without its text."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    type: BlockType = Field(description="`static`: a text of the tenant's; `dynamic`: comes with the installation.")
    description: str
    message: BlockMessage
    mode: BlockMode
    scope: BlockScope
    tags: list[str]
    order: int
    ttl: int
    agents: list[str]
    enabled: bool
    overrides: list[str] = Field(description="Members of a dynamic block that the tenant has changed.")
    created_at: datetime | None = Field(description="Null for a dynamic block that is as it comes.")
    updated_at: datetime | None


class PromptBlock(PromptBlockSummary):
    """A block."""

    body: str | None = Field(description="The template of a static block; null for a dynamic one.")
    variables: list[str] = Field(description="Names that the body reads.")


class PromptBlockList(BaseModel):
    """A page of blocks in ascending order, those of the same by name."""

    prompt_blocks: list[PromptBlockSummary]
    total: int
    page: int
    page_size: int
    anchor: int | None = Field(description="Sent with the next page, it keeps later blocks out of the pages.")

    @classmethod
    def of(cls, page: Page[domain.PromptBlock]) -> PromptBlockList:
        """Make it of what the domain found."""
        found = [PromptBlockSummary.model_validate(each) for each in page.items]
        return cls(prompt_blocks=found, total=page.total, page=page.page, page_size=page.page_size, anchor=page.anchor)


class PreviewPromptBlock(Body):
    """With what a block is rendered."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"variables": {"customer": "Ada"}}, {"variables": {"timezone": "Europe/Berlin"}}]
        }
    )

    variables: dict[str, Any] = Field(
        default_factory=dict, description="What the template reads by name; what is missing is empty."
    )
    conversation_id: str | None = Field(
        default=None, min_length=1, max_length=255, description="The conversation whose cached output is meant."
    )


class Preview(BaseModel):
    """A block as a prompt has it."""

    model_config = ConfigDict(from_attributes=True)

    rendered: str = Field(description="The text within `<name>…</name>`.")
    tokens: int = Field(description="Of all of `rendered`, by the vocabulary that `encoding` names.")
    encoding: str = Field(
        default=ENCODING, description="That of OpenAI's models; for others the number is an estimate."
    )
    cached: bool = Field(description="Whether it was rendered before.")


class Invalidated(BaseModel):
    """How many cached outputs were removed."""

    invalidated: int
