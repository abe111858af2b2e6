"""Workflows (graphs) as voice takes and shows them. Most members have a second name, which public clients use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, WrapValidator, computed_field
from pydantic_core import PydanticCustomError

from api.kit.body import INTEGRAL, Body
from api.kit.names import Name
from api.voice.schemas.second_names import NamedTwice
from api.voice.schemas.validation import GraphError, Validation
from cairn.contracts.json import JsonObject
from cairn.domain.graphs import Graph
from cairn.domain.graphs.document import AuthoredDefinition
from cairn.domain.graphs.model import GraphStatus, VersionStatus
from cairn.domain.graphs.reading import Which
from cairn.domain.graphs.service import LASTING


class AmbientNoise(BaseModel):
    """Noise played behind the agent's voice."""

    model_config = ConfigDict(extra="allow")

    enabled: bool = False
    volume: float = Field(default=0.3, ge=0, le=1)
    storage_key: str | None = None


class Configuration(BaseModel):
    """Settings of a workflow that hold for all its versions; further members are kept."""

    model_config = ConfigDict(extra="allow")

    ambient_noise_configuration: AmbientNoise | None = None
    max_call_duration: Annotated[int, Field(ge=1, le=1200), INTEGRAL] = Field(default=300, description="Seconds.")
    max_user_idle_timeout: float = Field(default=10, gt=0, le=3600, description="Seconds.")
    smart_turn_stop_secs: float = Field(default=2, gt=0, le=3600, description="Seconds.")
    dictionary: str | None = None
    context_compaction_enabled: bool = Field(
        default=False,
        description="Kept, without effect: a model is given the whole conversation, which max_call_duration bounds.",
    )
    template_context_variables: JsonObject | None = None
    call_disposition_codes: JsonObject | None = None


def _word_for_word(value: Any, _: Callable[[Any], Any]) -> Any:
    """Check an author's configuration and keep it as it is: no default is written into it."""
    Configuration.model_validate(value, strict=True)
    return value


def _an_object(value: Any, _: Callable[[Any], Any]) -> Any:
    """Leave the reading of a definition to the domain, which does it beside the event loop."""
    if not isinstance(value, dict):
        raise PydanticCustomError("dict_type", "Input should be a valid dictionary")
    return cast(JsonObject, value)


if TYPE_CHECKING:
    DefinitionBody = JsonObject
    ConfigurationBody = JsonObject
else:
    DefinitionBody = Annotated[AuthoredDefinition, WrapValidator(_an_object)]
    ConfigurationBody = Annotated[Configuration, WrapValidator(_word_for_word)]

Revision = Annotated[int, Field(ge=1, le=2**53), INTEGRAL]


class WorkflowBody(NamedTwice):
    """What workflows are made and changed with."""

    template_context_variables: JsonObject | None = Field(
        default=None,
        description="What texts of calls know beside the context. Kept in the configuration; null removes them.",
    )
    call_disposition_codes: JsonObject | None = Field(
        default=None, description="How calls may end. Kept in the configuration; null removes them."
    )

    @property
    def lasting(self) -> JsonObject:
        """What is given of the members that a new configuration keeps."""
        return {name: getattr(self, name) for name in LASTING if name in self.model_fields_set}


class CreateWorkflow(WorkflowBody):
    """Make a workflow from a definition."""

    name: Name
    definition: DefinitionBody
    configuration: ConfigurationBody = Field(default_factory=dict)

    @property
    def whole_configuration(self) -> JsonObject:
        """The configuration with what was given beside it."""
        return {**self.configuration, **{name: value for name, value in self.lasting.items() if value is not None}}


class UpdateWorkflow(WorkflowBody):
    """Change what is given; a definition makes or replaces the draft."""

    name: Name | None = None
    definition: DefinitionBody | None = None
    configuration: ConfigurationBody | None = Field(
        default=None,
        description=(
            "Replaces the configuration; its template_context_variables and call_disposition_codes stay unless named."
        ),
    )
    expected_version: Revision | None = Field(
        default=None,
        description="Refuse with 409 unless this is the current version's number; a draft keeps its own while edited.",
    )
    expected_revision: Revision | None = Field(
        default=None,
        description="Refuse with 409 unless the workflow is at this revision; tells two edits of one draft apart.",
    )


class UpdateStatus(Body):
    """Archive a workflow, or make it active again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "archived"}]})

    status: GraphStatus


class MoveWorkflow(Body):
    """Put a workflow into a folder."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"folder_id": 5}]})

    folder_id: Annotated[int, Field(ge=1, le=2**53), INTEGRAL] | None = Field(description="Null: into none.")


class WorkflowSummary(BaseModel):
    """A workflow as lists show it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    uuid: str
    name: str
    status: GraphStatus
    created_at: datetime
    updated_at: datetime
    node_count: int
    folder_id: int | None
    total_runs: int

    @computed_field
    @property
    def workflow_id(self) -> int:
        """The same as `id`."""
        return self.id

    @computed_field
    @property
    def workflow_uuid(self) -> str:
        """The same as `uuid`."""
        return self.uuid

    @computed_field
    @property
    def workflow_name(self) -> str:
        """The same as `name`."""
        return self.name


class WorkflowName(BaseModel):
    """A workflow in a list to choose from."""

    id: int
    name: str


class WorkflowCount(BaseModel):
    """How many workflows there are."""

    model_config = ConfigDict(from_attributes=True)

    total: int
    active: int
    archived: int


class WorkflowList(BaseModel):
    """All workflows of a status, newest first."""

    workflows: list[WorkflowSummary]


class Workflow(WorkflowSummary):
    """A workflow with its current definition: that of the draft if there is one, else the published one."""

    definition: JsonObject
    configuration: JsonObject
    published_definition: JsonObject | None
    trigger_paths: list[str]
    revision: int = Field(description="Grows with each change.")
    version_number: int
    version_status: VersionStatus
    current_definition_id: int = Field(description="Id of the current version.")
    template_context_variables: JsonObject | None
    call_disposition_codes: JsonObject | None

    @computed_field
    @property
    def workflow_definition(self) -> JsonObject:
        """The same as `definition`."""
        return self.definition

    @computed_field
    @property
    def workflow_configurations(self) -> JsonObject:
        """The same as `configuration`."""
        return self.configuration

    @classmethod
    def members(cls, graph: Graph) -> JsonObject:
        """Return the members of a workflow that shows a graph."""
        return {
            **WorkflowSummary.model_validate(graph.summary).model_dump(exclude_computed_fields=True),
            "definition": graph.current.definition,
            "configuration": graph.configuration,
            "published_definition": graph.published.definition if graph.published else None,
            "trigger_paths": list(graph.trigger_paths),
            "revision": graph.summary.revision,
            "version_number": graph.current.version,
            "version_status": graph.current.status,
            "current_definition_id": graph.current.id,
            "template_context_variables": graph.configuration.get("template_context_variables"),
            "call_disposition_codes": graph.configuration.get("call_disposition_codes"),
        }

    @classmethod
    def of(cls, graph: Graph) -> Workflow:
        """Make it of the graph."""
        return cls(**cls.members(graph))


class SavedWorkflow(Workflow):
    """A workflow that was saved, with what its validation found; with errors it is a draft."""

    errors: list[GraphError]
    warnings: list[GraphError]

    @classmethod
    def of(cls, graph: Graph) -> SavedWorkflow:
        """Make it of the graph."""
        validation = Validation.of(graph.issues)
        return cls(**cls.members(graph), errors=validation.errors, warnings=validation.warnings)


StatusFilter = Annotated[Which, Query(description="`all` for both.")]
