"""What an author says of an agent."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cairn.contracts.json import JsonObject, canonical, integral
from cairn.domain.names import checked_name
from cairn.errors import FieldError, InvalidInput, plain_message

MAX_NAME = 255
METADATA_LIMIT = 16 * 1024
"""Bytes of an agent's metadata as JSON."""

T = TypeVar("T", bound=Hashable)


def _unique(values: list[T]) -> list[T]:
    twice = next((value for index, value in enumerate(values) if value in values[:index]), None)
    if twice is not None:
        raise ValueError(f"{twice!r} is named twice")
    return values


def _small(value: JsonObject) -> JsonObject:
    if len(canonical(value).encode()) > METADATA_LIMIT:
        raise ValueError(f"has more than {METADATA_LIMIT} bytes")
    return value


Reference: TypeAlias = Annotated[str, Field(min_length=1, max_length=255)]
"""Name or id of something that is kept elsewhere."""

References: TypeAlias = Annotated[
    list[Reference], Field(max_length=128, json_schema_extra={"uniqueItems": True}), AfterValidator(_unique)
]
Scopes: TypeAlias = Annotated[
    list[Literal["user", "agent"]], Field(json_schema_extra={"uniqueItems": True}), AfterValidator(_unique)
]
Status: TypeAlias = Literal["active", "archived"]
Description: TypeAlias = Annotated[str, Field(max_length=2000)]
Category: TypeAlias = Annotated[str, Field(min_length=1, max_length=100)]
Instructions: TypeAlias = Annotated[str, Field(max_length=65_536)]
Temperature: TypeAlias = Annotated[float, Field(ge=0, le=2)]
Turns: TypeAlias = Annotated[int, Field(ge=1, le=1000), BeforeValidator(integral)]
Cost: TypeAlias = Annotated[float, Field(gt=0)]
Seconds: TypeAlias = Annotated[int, Field(ge=10, le=2_592_000), BeforeValidator(integral)]
Metadata: TypeAlias = Annotated[JsonObject, AfterValidator(_small)]


class Memory(BaseModel):
    """What the agent remembers from one conversation to the next."""

    model_config = ConfigDict(strict=True)

    enabled: bool = False
    scopes: Scopes = ["user"]


class ToolApproval(BaseModel):
    """Whether a person has to approve the calls of one tool, and who."""

    model_config = ConfigDict(strict=True)

    enabled: bool
    timeout_seconds: Seconds | None = Field(default=None, description="Null: as of `approval_defaults`.")
    approvers: References = Field(default_factory=list, description="Ids of users; empty: anyone of the tenant.")


class ApprovalDefaults(BaseModel):
    """How calls of tools are approved."""

    model_config = ConfigDict(strict=True)

    enabled: bool = Field(default=False, description="For tools that `approvals` does not name.")
    timeout_seconds: Seconds = Field(default=300, description="After so long a call counts as denied.")


class Questions(BaseModel):
    """How the agent's model asks people."""

    model_config = ConfigDict(strict=True)

    enabled: bool = Field(default=False, description="Its model may ask, by the tool `ask_user`.")
    timeout_seconds: Seconds | None = Field(
        default=None, description="After so long the model is told that nobody answered; null: it waits."
    )


Approvals: TypeAlias = dict[Reference, ToolApproval]

_MODEL = "`provider:name`; null for the model that the deployment has for agents that name none."
_APPROVALS = "By the name of a tool that the agent has; for others `approval_defaults` holds."


class AgentConfig(BaseModel):
    """The configuration of an agent."""

    model_config = ConfigDict(strict=True)

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    description: Description = ""
    category: Category = "general"
    status: Status = Field(default="active", description="Of an archived agent nothing new is started.")
    model: Reference | None = Field(default=None, description=_MODEL)
    temperature: Temperature | None = None
    instructions: Instructions = Field(default="", description="Told to the model as they stand.")
    output_schema: JsonObject | None = Field(default=None, description="JSON Schema of the answer; null for text.")
    max_turns: Turns = Field(default=10, description="Model calls of one run at most.")
    max_cost: Cost | None = Field(default=None, description="US dollars of one run at most.")
    tools: References = Field(default_factory=list, description="Names of tools.")
    subagents: References = Field(default_factory=list, description="Ids of agents, which its model may call.")
    skills: References = Field(default_factory=list, description="Names.")
    prompt_blocks: References = Field(default_factory=list, description="Names.")
    context_blocks: References = Field(default_factory=list, description="Names.")
    knowledge_bases: References = Field(default_factory=list, description="Ids.")
    memory: Memory = Field(default_factory=Memory)
    approval_defaults: ApprovalDefaults = Field(default_factory=ApprovalDefaults)
    approvals: Approvals = Field(default_factory=dict, description=_APPROVALS)
    questions: Questions = Field(default_factory=Questions)
    metadata: Metadata = Field(default_factory=dict, description="The author's own; 16 KiB at most.")

    @property
    def blocks(self) -> Sequence[str]:
        """The names of all blocks that its prompts have, each once."""
        return list(dict.fromkeys([*self.prompt_blocks, *self.context_blocks]))

    @property
    def has_context(self) -> bool:
        """Whether its turns are given anything besides what is said."""
        return bool(self.blocks or self.skills)

    def need_approval(self, guarded: Collection[str] = ()) -> Sequence[str]:
        """Return the tools whose calls a person has to approve.

        Args:
            guarded: those of which their authors say so, for all agents.
        """
        default = self.approval_defaults
        return [tool for tool in self.tools if tool in guarded or self.approvals.get(tool, default).enabled]

    def approval_of(self, tool: str, enabled: bool) -> ToolApproval:
        """Return how calls of a tool are approved, by what is said of it and of all."""
        said = self.approvals.get(tool) or ToolApproval(enabled=enabled)
        seconds = said.timeout_seconds or self.approval_defaults.timeout_seconds
        return ToolApproval(enabled=enabled, timeout_seconds=seconds, approvers=said.approvers)


COLUMNS = ("name", "description", "category", "status", "model")
"""Members that have columns of their own."""


def read_config(values: JsonObject) -> AgentConfig:
    """Return a configuration.

    Raises:
        InvalidInput: it is none.
    """
    try:
        config = AgentConfig.model_validate(values)
    except ValidationError as error:
        raise invalid([(each["loc"], plain_message(each)) for each in error.errors(include_url=False)]) from None
    config.name = checked_name(config.name, MAX_NAME)
    misspelt = [tool for tool in config.approvals if tool not in config.tools]
    if misspelt:
        raise invalid([(("approvals", tool), f"{tool!r} is none of the agent's tools") for tool in misspelt])
    return config


def invalid(errors: Sequence[tuple[tuple[int | str, ...], str]]) -> InvalidInput:
    """Return the error for wrong members, each given by its path and what is wrong with it."""
    return InvalidInput(
        "The agent's configuration is not valid.",
        errors=[FieldError("".join(f"/{_escaped(str(part))}" for part in path), said) for path, said in errors],
    )


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
