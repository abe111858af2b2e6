"""Folders of workflows."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.kit.body import Body
from api.kit.names import FolderName


class FolderBody(Body):
    """Name a folder."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Support"}]})

    name: FolderName = Field(description="Blanks around it are left out.")


class Folder(BaseModel):
    """A folder of workflows."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    created_at: datetime
