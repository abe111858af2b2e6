"""Titles and summaries of conversations as agentflow takes and shows them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.agentflow.schemas.conversations import FROM_DOMAIN, Title
from api.kit.body import INTEGRAL, Body


class ConversationTitle(BaseModel):
    """What a conversation is called."""

    title: str
    generated: bool = Field(description="The installation made it.")


class SetTitle(Body):
    """What a conversation is to be called."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Order 17"}]})

    title: Title


class CompressConversation(Body):
    """How a conversation is to be compressed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"keep_last": 10, "instructions": "Keep all numbers."}]})

    keep_last: Annotated[int, INTEGRAL] = Field(default=10, ge=0, le=10_000, description="Messages that stay.")
    instructions: str | None = Field(default=None, min_length=1, max_length=4000, description="For the summary.")


class Compressed(BaseModel):
    """What came of it; tokens are those that a model is told of the conversation."""

    model_config = FROM_DOMAIN

    summary: str
    compressed_messages: int
    tokens_before: int
    tokens_after: int
    marker_id: str
