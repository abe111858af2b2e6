"""Tools of authors and of the installation."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.kit.body import Body
from api.kit.names import Name
from cairn.contracts.json import JsonObject
from cairn.domain.tools.authored.definition import ToolDefinition
from cairn.domain.tools.authored.model import ToolCategory, ToolStatus

Icon = Annotated[str, StringConstraints(max_length=50, pattern=r"^[A-Za-z0-9_-]*$")]
Color = Annotated[str, StringConstraints(pattern=r"^#[0-9A-Fa-f]{3}([0-9A-Fa-f]{3})?$")]


def _document_category(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [
        {"properties": {"category": {"enum": [kind, None]}, "definition": {"properties": {"type": {"const": kind}}}}}
        for kind in ("http_api", "calculator")
    ]


class CreateTool(Body):
    """Make a tool."""

    model_config = ConfigDict(json_schema_extra=_document_category)

    name: Name
    description: str | None = Field(default=None, max_length=2000, description="For the model that may call it.")
    category: Literal["http_api", "calculator"] | None = Field(
        default=None, description="The same as the definition's type, if it is given."
    )
    icon: Icon | None = "globe"
    icon_color: Color | None = "#3B82F6"
    definition: ToolDefinition

    @model_validator(mode="after")
    def _one_kind(self) -> CreateTool:
        if self.category not in (None, self.definition.type):
            raise ValueError("category must be the same as definition.type")
        return self


class Tool(BaseModel):
    """A tool. Those of the installation have a negative id, the category `native` and no date (1970)."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    tool_uuid: str = Field(validation_alias="uuid")
    name: str
    description: str | None
    category: ToolCategory
    icon: str | None
    icon_color: str | None
    status: ToolStatus
    definition: JsonObject
    created_at: datetime
    updated_at: datetime


class ArchivedTool(BaseModel):
    """A tool that is out of use."""

    status: str = "archived"
    tool_uuid: str
