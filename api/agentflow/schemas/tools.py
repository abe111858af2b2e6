"""Tools of agents as agentflow takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.kit.body import Body, leave_out_default
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.tool_trials import Tried
from cairn.domain.agents import config, model
from cairn.domain.agents.tool_authoring import DryRun
from cairn.domain.agents.tool_runs import ToolRun
from cairn.domain.credentials.model import HeaderName
from cairn.domain.tools.authored import spec
from cairn.domain.tools.authored.definition import HeaderText
from cairn.domain.tools.authored.drafts import ToolDraft

_SCHEMA = "JSON Schema (draft 2020-12) of type object: the arguments."
_CODE = "Python source that defines `run`; it is called by the names of the arguments, in the sandbox."
_APPROVAL = "Whether a person has to approve each call, of whatever agent."
_SQUARE: JsonObject = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}
_EXAMPLE: JsonObject = {
    "name": "square",
    "description": "Square a number.",
    "args_schema": _SQUARE,
    "function_code": "def run(n):\n    return n * n",
}
ArgsSchema = Annotated[JsonObject, Field(description=_SCHEMA, examples=[_SQUARE])]
Code = Annotated[spec.Code, Field(description=_CODE)]


class CreateTool(Body):
    """A tool for an agent. Which members it has follows from its kind."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"kind": "python", **_EXAMPLE},
                {
                    "name": "find_order",
                    "kind": "http",
                    "args_schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
                    "http": {"method": "GET", "url": "https://shop.example/orders/{id}"},
                },
                {"name": "search_docs", "kind": "mcp", "mcp": {"server": "docs", "tool": "search"}},
                {"name": "calculate", "kind": "builtin"},
            ]
        }
    )

    name: spec.ToolName
    description: spec.Described = ""
    kind: model.ToolKind = Field(default="python", description="`builtin`: give the agent a tool of the installation.")
    args_schema: ArgsSchema | None = Field(
        default=None, description=f"{_SCHEMA} Of kind `mcp` it may be left out: the server is asked."
    )
    function_code: Code | None = Field(default=None, description=f"Of kind `python`. {_CODE}")
    http: spec.HttpCall | None = Field(default=None, description="Of kind `http`.")
    mcp: spec.McpCall | None = Field(default=None, description="Of kind `mcp`.")
    tags: spec.Tags = Field(default_factory=list[str])
    require_approval: bool = Field(default=False, description=_APPROVAL)
    execution_timeout: spec.Timeout = Field(default=30, description="Seconds that one call may take.")

    @property
    def values(self) -> JsonObject:
        """What is said of the tool."""
        return self.model_dump(exclude_unset=True) | {"kind": self.kind}

    @property
    def to_describe(self) -> spec.McpCall | None:
        """The tool of an MCP server that is to be asked for its schema."""
        return self.mcp if self.kind == "mcp" and self.args_schema is None else None


def _document_change(schema: dict[str, Any]) -> None:
    schema["examples"] = [{"description": "Square any number.", "execution_timeout": 5}]


ChangedHeaders = Annotated[
    dict[HeaderName, HeaderText | None], Field(json_schema_extra={"additionalProperties": False})
]


class ChangeHttpCall(Body):
    """Changes of the request."""

    method: spec.Method | None = None
    url: spec.HttpUrl = Field(default="", json_schema_extra=leave_out_default)
    headers: ChangedHeaders | None = None
    auth_ref: spec.Reference | None = None


class ChangeMcpCall(Body):
    """Changes of which tool of which server it is."""

    server: spec.Reference = Field(default="", json_schema_extra=leave_out_default)
    tool: spec.Reference = Field(default="", json_schema_extra=leave_out_default)


class ChangeTool(Body):
    """Changes of a tool: a merge patch (RFC 7396), in which null stands for the default. A schema is replaced whole."""

    model_config = ConfigDict(json_schema_extra=_document_change)

    description: spec.Described | None = None
    kind: spec.SpecKind = Field(default="python", json_schema_extra=leave_out_default)
    args_schema: ArgsSchema = Field(default_factory=dict, json_schema_extra=leave_out_default)
    function_code: Code | None = None
    http: ChangeHttpCall | None = None
    mcp: ChangeMcpCall | None = None
    tags: spec.Tags | None = None
    require_approval: bool | None = None
    execution_timeout: spec.Timeout | None = None

    @property
    def patch(self) -> JsonObject:
        """The merge patch."""
        return self.model_dump(exclude_unset=True)


class ConfigureApproval(Body):
    """How calls of a tool by one agent are approved."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": True, "timeout_seconds": 600}]})

    enabled: bool
    timeout_seconds: config.Seconds = Field(default=300, description="After so long a call counts as denied.")
    approvers: config.References = Field(default_factory=list, description="Ids of users; empty: anyone of the tenant.")

    def approval(self) -> config.ToolApproval:
        """Return what the domain is told."""
        return config.ToolApproval.model_validate(self.model_dump())


class Approval(BaseModel):
    """How calls of a tool are approved."""

    model_config = ConfigDict(from_attributes=True)

    enabled: bool
    timeout_seconds: int | None
    approvers: list[str]


class ConfiguredApproval(Approval):
    """How calls of a tool by one agent are approved."""

    tool: str

    @classmethod
    def of(cls, tool: model.AgentTool) -> ConfiguredApproval:
        """Make it of a tool."""
        return cls(tool=tool.name, **tool.approval.model_dump())


class Tool(BaseModel):
    """A tool of an agent, or that it may be given."""

    id: str = Field(description="The name, by which agents, graphs and approvals refer to it; of a draft its own id.")
    uuid: str | None = Field(description="By which nodes of calls refer to it.")
    name: str
    description: str | None = Field(description="Null for a tool that there is no more.")
    kind: model.ToolKind | None
    args_schema: JsonObject | None = Field(description="JSON Schema of its arguments.")
    function_code: str | None = None
    http: spec.HttpCall | None = None
    mcp: spec.McpCall | None = None
    tags: list[str]
    require_approval: bool = Field(description="A person has to approve its calls by this agent.")
    approval: Approval
    execution_timeout: int | None = Field(description="Seconds; null: as long as the node may take.")
    version: int | None = Field(description="+1 for each change of the tool.")
    status: model.ToolStatus = Field(description="`missing`: the agent names it, and it is there no more.")
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def of(cls, tool: model.AgentTool) -> Tool:
        """Make it of what the domain found."""
        said, known = tool.spec, tool.known
        made = known if said is not None else None
        return cls(
            id=tool.draft.id if tool.draft is not None else tool.name,
            uuid=known.uuid if known is not None else None,
            name=tool.name,
            description=tool.description,
            kind=tool.kind,
            args_schema=tool.args_schema,
            function_code=said.function_code if said is not None else None,
            http=said.http if said is not None else None,
            mcp=said.mcp if said is not None else None,
            tags=said.tags if said is not None else [],
            require_approval=tool.approval.enabled,
            approval=Approval.model_validate(tool.approval),
            execution_timeout=said.execution_timeout if said is not None else None,
            version=known.version if known is not None else None,
            status=tool.status,
            created_at=tool.draft.created_at if tool.draft is not None else made.created_at if made else None,
            updated_at=made.updated_at if made else None,
        )


class ToolList(BaseModel):
    """A page of an agent's tools, in the order in which it was given them; of drafts, newest first."""

    tools: list[Tool]
    total: int
    page: int
    page_size: int

    @classmethod
    def of(cls, tools: list[model.AgentTool], page: int, page_size: int) -> ToolList:
        """Make it of all that was found."""
        shown = tools[(page - 1) * page_size : page * page_size]
        return cls(tools=[Tool.of(each) for each in shown], total=len(tools), page=page, page_size=page_size)


class AllTools(BaseModel):
    """Tools, all at once, in the order in which they were assigned."""

    tools: list[Tool]
    total: int

    @classmethod
    def of(cls, tools: list[model.AgentTool]) -> AllTools:
        """Make it of what the domain found."""
        return cls(tools=[Tool.of(each) for each in tools], total=len(tools))


class GenerateTool(Body):
    """What a tool is to do."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "description": "Tell whether an IBAN is valid.",
                    "examples": [{"iban": "DE89370400440532013000", "valid": True}],
                }
            ]
        }
    )

    description: str = Field(min_length=1, max_length=8000)
    examples: list[Json] = Field(
        default_factory=list[Json], max_length=20, description="Of what it is given and returns."
    )


class ToolTest(BaseModel):
    """A call that should work, by what its writer thinks."""

    arguments: JsonObject
    expected: Json


class GeneratedTool(BaseModel):
    """A draft that a model wrote."""

    draft_id: str
    name: str
    description: str
    args_schema: JsonObject
    function_code: str
    tests: list[ToolTest]

    @classmethod
    def of(cls, draft: ToolDraft) -> GeneratedTool:
        """Make it of a draft."""
        said = draft.spec.model_dump(include={"name", "description", "args_schema", "function_code"})
        return cls(draft_id=draft.id, tests=[ToolTest.model_validate(each) for each in draft.tests], **said)


class DryRunTool(Body):
    """A draft, or code with its schema, and what to call it with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"function_code": _EXAMPLE["function_code"], "args_schema": _SQUARE, "arguments": {"n": 3}},
                {"draft_id": "draft_0f8fad5bd9cb469fa16570867728950e", "arguments": {"n": 3}},
            ]
        }
    )

    draft_id: config.Reference | None = None
    function_code: Code | None = None
    args_schema: ArgsSchema | None = None
    arguments: JsonObject = Field(default_factory=dict)
    execution_timeout: spec.Timeout = Field(default=30, description="Of code that is no draft: seconds.")

    def asked(self) -> DryRun:
        """Return what the domain is asked for."""
        return DryRun(**self.model_dump())


class DryRunError(BaseModel):
    """Why the code came to no result."""

    type: str = Field(
        description="Class of the exception; `SyntaxError`, `InvalidArguments`: it was not called; `timeout`, "
        "`memory_limit`, `invalid_result`, `sandbox_crashed`: the sandbox ended it."
    )
    message: str
    line: int | None


class DryRunResult(BaseModel):
    """What came of a dry run."""

    ok: bool
    result: Json
    error: DryRunError | None
    stdout: str = Field(description="What it printed, 64 KiB at most.")
    duration_ms: float
    memory_bytes: int | None = Field(description="The most that it used; null where the sandbox does not tell.")

    @classmethod
    def of(cls, tried: Tried) -> DryRunResult:
        """Make it of what the domain tells."""
        return cls(ok=tried.error is None, **tried.model_dump())


class PersistTool(Body):
    """A draft or code that becomes a tool of the agent. What is given replaces what the draft says."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [_EXAMPLE, {"draft_id": "draft_0f8fad5bd9cb469fa16570867728950e", "name": "square"}]
        }
    )

    draft_id: config.Reference | None = None
    name: spec.ToolName
    description: spec.Described = Field(default="", json_schema_extra=leave_out_default)
    args_schema: ArgsSchema = Field(default_factory=dict, json_schema_extra=leave_out_default)
    function_code: Code = Field(default="", json_schema_extra=leave_out_default, validate_default=False)
    tags: spec.Tags = Field(default_factory=list[str])
    require_approval: bool = Field(default=False, description=_APPROVAL)
    execution_timeout: spec.Timeout = 30

    @property
    def given(self) -> JsonObject:
        """What is said beside the draft."""
        return self.model_dump(exclude_unset=True, exclude={"draft_id"})


class RunTool(Body):
    """What to call a tool with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"arguments": {"expression": "6 * 7"}}]})

    arguments: JsonObject = Field(default_factory=dict)
    conversation_id: config.Reference | None = Field(
        default=None, description="The conversation that it is for; kept in the execution's metadata."
    )


class ToolRunResult(BaseModel):
    """What came of a run so far; the execution has all of it."""

    model_config = ConfigDict(from_attributes=True)

    execution_id: str
    status: Literal["running", "completed", "failed", "cancelled", "paused", "pending_approval"] = Field(
        description="`running`: it goes on longer than a request waits; `pending_approval`: a person is asked."
    )
    result: Json
    error: JsonObject | None = Field(description="`code` and `message` of a failed one.")
    approval_id: str | None
    duration_ms: float

    @classmethod
    def of(cls, run: ToolRun) -> ToolRunResult:
        """Make it of what the domain tells."""
        return cls.model_validate(run)
