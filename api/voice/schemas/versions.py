"""Versions of workflows."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, computed_field

from cairn.contracts.json import JsonObject
from cairn.domain.graphs.model import GraphVersion, VersionStatus, VersionSummary
from cairn.persistence.paging import Stretch


class VersionEntry(BaseModel):
    """A version as the history shows it."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Of the version itself; `current_definition_id` of a workflow is such an id.")
    version: int = Field(description="Number within the workflow, from 1.")
    status: VersionStatus
    author: str | None = Field(description="Who wrote it, or changed the draft last.")
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    node_count: int

    @computed_field
    @property
    def version_number(self) -> int:
        """The same as `version`."""
        return self.version

    @computed_field
    @property
    def version_status(self) -> VersionStatus:
        """The same as `status`."""
        return self.status

    @computed_field
    @property
    def is_current_published(self) -> bool:
        """Whether new executions run it."""
        return self.status == "published"


class Version(VersionEntry):
    """A version with its definition."""

    definition: JsonObject

    @classmethod
    def of(cls, version: GraphVersion) -> Version:
        """Make it of the domain's."""
        return cls.model_validate(version)


class VersionList(BaseModel):
    """Versions of a workflow, newest first."""

    versions: list[VersionEntry]
    total: int
    anchor: int | None = Field(description="Send it with the next pages, so that new versions shift nothing.")

    @classmethod
    def of(cls, found: Stretch[VersionSummary]) -> VersionList:
        """Make it of a stretch of the history."""
        entries = [VersionEntry.model_validate(version) for version in found.items]
        return cls(versions=entries, total=found.total, anchor=found.anchor)
