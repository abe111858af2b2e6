"""Templates, and graphs that are made of them or of a description."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.kit.names import Name
from api.voice.schemas.second_names import NamedTwice
from cairn.contracts.json import JsonObject


class Template(BaseModel):
    """A graph that comes with the installation."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    template_id: str = Field(description="Names it when it is copied.")
    template_name: str
    template_description: str
    field: str = Field(description="The kind of work that it is for.")
    template_json: JsonObject = Field(description="The definition.")
    example: JsonObject = Field(description="What an execution can be begun with: `input`, or `initial_context`.")
    created_at: datetime


class CreateFromDescription(NamedTwice):
    """Let a model write a graph."""

    name: Name
    template_description: str = Field(
        min_length=1,
        max_length=20_000,
        pattern=r"\S",
        description="What the graph is to do, in words.",
        examples=["A customer support agent that handles billing questions and escalates to humans"],
    )


class DuplicateTemplate(NamedTwice):
    """Copy a template."""

    template_id: str = Field(max_length=255, examples=["inbound-support"])
    name: Name
