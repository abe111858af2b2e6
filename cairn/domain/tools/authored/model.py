"""Tools as callers of the API see them."""

from __future__ import annotations

import uuid
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast

from cairn.contracts.json import JsonObject
from cairn.domain.tools.authored.definition import Native
from cairn.domain.tools.authored.spec import SPEC_KINDS, ToolSpec
from cairn.domain.tools.tool import Tool
from cairn.persistence.tables import ToolRow

ToolCategory = Literal["http_api", "calculator", "native", "python", "http", "mcp"]
ToolStatus = Literal["active", "archived"]

_NATIVE = uuid.UUID("6f2a6a0e-6f0c-5f5d-9a52-0d3c7f4e1b77")
_NOBODYS_DATE = datetime(1970, 1, 1, tzinfo=UTC)


def native_uuid(name: str) -> str:
    """Return the uuid of a tool of the installation's modules: the same everywhere."""
    return str(uuid.uuid5(_NATIVE, name))


@dataclass(frozen=True, slots=True)
class AuthoredTool:
    """A tool.

    Attributes:
        id: number; negative for the tools of the installation, which nobody made over the API.
        called: the name that agents and graphs call it by; None for one that only nodes of calls name, by uuid.
        created_at: 1970 for those.
    """

    id: int
    uuid: str
    name: str
    description: str | None
    category: ToolCategory
    icon: str | None
    icon_color: str | None
    status: ToolStatus
    definition: JsonObject
    created_at: datetime
    updated_at: datetime
    called: str | None = None
    version: int = 1

    @property
    def spec(self) -> ToolSpec | None:
        """What is said of a tool that agents name; None of others."""
        if self.category not in SPEC_KINDS:
            return None
        return ToolSpec.of(self.name, self.description, self.definition)

    @classmethod
    def of(cls, row: ToolRow) -> AuthoredTool:
        """Make it of its row."""
        return cls(
            id=cast("int", row.id),
            uuid=row.uuid,
            name=row.name,
            description=row.description,
            category=cast("ToolCategory", row.category),
            icon=row.icon,
            icon_color=row.icon_color,
            status=cast("ToolStatus", row.status),
            definition=row.definition,
            created_at=row.created_at,
            updated_at=row.updated_at,
            called=row.called,
            version=row.version,
        )

    @classmethod
    def native(cls, tool: Tool) -> AuthoredTool:
        """Make it of a tool of the installation."""
        return cls(
            id=-1 - zlib.crc32(tool.name.encode()),
            uuid=native_uuid(tool.name),
            name=tool.name,
            description=tool.description,
            category="native",
            icon="wrench",
            icon_color=None,
            status="active",
            definition=Native(config={"parameters": tool.parameters}).model_dump(),
            created_at=_NOBODYS_DATE,
            updated_at=_NOBODYS_DATE,
            called=tool.name,
        )
