"""Workflows (graphs) as voice takes and shows them. Most members have a second name, which public clients use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, WrapValidator, computed_field, model_validator

from api.kit.body import INTEGRAL, Body
from api.voice.schemas.validation import GraphError, Validation
from cairn.contracts.json import JsonObject
from cairn.domain.graphs import Graph
from cairn.domain.graphs.model import GraphStatus, VersionStatus
from cairn.graph.model import Definition


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
    max_user_idle_timeout: float = Field(default=10, gt=0, description="Seconds.")
    smart_turn_stop_secs: float = Field(default=2, gt=0)
    dictionary: str | None = None
    context_compaction_enabled: bool = False
    template_context_variables: JsonObject | None = None
    call_disposition_codes: JsonObject | None = None


def _word_for_word(model: type[BaseModel]) -> WrapValidator:
    """Check an author's document by a model and keep it as it is: no default is written into it."""

    def check(value: Any, _: Callable[[Any], Any]) -> Any:
        model.model_validate(value, strict=True)
        return value

    return WrapValidator(check)


if TYPE_CHECKING:
    AuthoredDefinition = JsonObject
    AuthoredConfiguration = JsonObject
else:
    AuthoredDefinition = Annotated[Definition, _word_for_word(Definition)]
    AuthoredConfiguration = Annotated[Configuration, _word_for_word(Configuration)]

_SECOND_NAMES = {"workflow_definition": "definition", "workflow_configurations": "configuration"}


def _document_second_names(schema: dict[str, Any]) -> None:
    properties = schema["properties"]
    for second, first in _SECOND_NAMES.items():
        properties[second] = {**properties[first], "description": f"The same as `{first}`; give one of both."}
    schema["allOf"] = [{"not": {"required": [first, second]}} for second, first in _SECOND_NAMES.items()]
    if "definition" in schema.get("required", ()):
        schema["required"].remove("definition")
        schema["anyOf"] = [{"required": ["definition"]}, {"required": ["workflow_definition"]}]


class WorkflowBody(Body):
    """What both names of a member have in common."""

    model_config = ConfigDict(json_schema_extra=_document_second_names)

    @model_validator(mode="before")
    @classmethod
    def _take_second_names(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        given = dict(cast(Mapping[str, Any], data))
        for second, first in _SECOND_NAMES.items():
            if second in given and first in given:
                raise ValueError(f"give one of {first} and {second}")
            if second in given:
                given[first] = given.pop(second)
        return given


_NAME_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
"""Not blank, and without control characters."""


class CreateWorkflow(WorkflowBody):
    """Make a workflow from a definition."""

    name: str = Field(min_length=1, max_length=255, pattern=_NAME_PATTERN)
    definition: AuthoredDefinition
    configuration: AuthoredConfiguration = Field(default_factory=dict)


class UpdateWorkflow(WorkflowBody):
    """Change what is given; a definition makes or replaces the draft."""

    name: str | None = Field(default=None, min_length=1, max_length=255, pattern=_NAME_PATTERN)
    definition: AuthoredDefinition | None = None
    configuration: AuthoredConfiguration | None = Field(default=None, description="Replaces the configuration.")
    expected_version: Annotated[int, Field(ge=1, le=2**53), INTEGRAL] | None = Field(
        default=None, description="Refuse with 409 unless this is the current version's number."
    )


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


class WorkflowList(BaseModel):
    """All workflows of a status, newest first."""

    workflows: list[WorkflowSummary]


class Workflow(WorkflowSummary):
    """A workflow with its current definition: that of the draft if there is one, else the published one."""

    definition: JsonObject
    configuration: JsonObject
    published_definition: JsonObject | None
    trigger_paths: list[str]
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


StatusFilter = Literal["active", "archived", "all"]
