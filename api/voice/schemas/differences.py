"""The difference of two versions as voice shows it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from cairn.contracts.json import Json, JsonObject
from cairn.domain.graphs import GraphVersion
from cairn.domain.graphs.model import VersionStatus
from cairn.graph import difference


class ComparedVersion(BaseModel):
    """One of both versions."""

    model_config = ConfigDict(from_attributes=True)

    version_number: int = Field(validation_alias="version")
    status: VersionStatus
    definition_id: int = Field(validation_alias="id")


class FieldChange(BaseModel):
    """A member that is not the same."""

    model_config = ConfigDict(from_attributes=True)

    field: str = Field(description="Its path, for example `data.prompt`.")
    before: Json = Field(description="Null also stands for a member that is not there.")
    after: Json


class ChangedElement(BaseModel):
    """A node or edge that is in both versions and not the same."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    fields: list[FieldChange]


class Edges(BaseModel):
    """How the edges differ, by their ids."""

    model_config = ConfigDict(from_attributes=True)

    added: list[JsonObject] = Field(description="As the second version has them.")
    removed: list[JsonObject] = Field(description="As the first version has them.")
    changed: list[ChangedElement]


class Nodes(Edges):
    """How the nodes differ, by their ids."""

    moved: list[ChangedElement] = Field(description="Those that stand elsewhere in the editor; it changes no more.")


class VersionDifference(BaseModel):
    """From the first version to the second."""

    before: ComparedVersion
    after: ComparedVersion
    nodes: Nodes
    edges: Edges
    settings: list[FieldChange] = Field(description="Other members of the definition, for example `limits.steps`.")
    viewport: FieldChange | None = Field(description="Of the editor.")

    @classmethod
    def of(cls, before: GraphVersion, after: GraphVersion, found: difference.Difference) -> VersionDifference:
        """Make it of both versions and what was found."""
        return cls(
            before=ComparedVersion.model_validate(before),
            after=ComparedVersion.model_validate(after),
            nodes=Nodes.model_validate(found.nodes),
            edges=Edges.model_validate(found.edges),
            settings=[FieldChange.model_validate(each, from_attributes=True) for each in found.settings],
            viewport=FieldChange.model_validate(found.viewport) if found.viewport else None,
        )
