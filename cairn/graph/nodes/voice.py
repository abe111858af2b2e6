"""The nodes of voice graphs: what a phone conversation is made of.

A graph that begins with a Start Call is a voice graph. :mod:`cairn.graph.calls` runs its call: nodes with a prompt
speak in turn, edges lead from one to the next, and webhooks and reviews follow when it has ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from cairn.contracts.calls import SPEAK
from cairn.contracts.json import Json, JsonObject
from cairn.contracts.nodes import HTTP_REQUEST, RUN_AGENT
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Placement, Sources
from cairn.graph.nodes.review import QA, QaData, QaKind

START_CALL = "startCall"
END_CALL = "endCall"
GLOBAL_NODE = "globalNode"
WEBHOOK = "webhook"

TriggerPath = Annotated[str, StringConstraints(max_length=36, pattern=r"^[A-Za-z0-9_-]*$")]


class ExtractionVariable(BaseModel):
    """One value that is read out of a conversation.

    Attributes:
        name: under which it is kept.
        type: string, number or boolean.
        prompt: what to look for.
    """

    model_config = ConfigDict(extra="allow")

    name: Name
    type: Literal["string", "number", "boolean"]
    prompt: str | None = None


class PromptData(NodeData):
    """Data of a node that speaks.

    Attributes:
        prompt: text; what the model is told.
        allow_interrupt: the caller may interrupt.
        add_global_prompt: the Global Node's prompt goes before.
    """

    prompt: Name
    allow_interrupt: bool = False
    add_global_prompt: bool = True


class ExtractionData(PromptData):
    """Data of a node at whose end values are extracted.

    Attributes:
        extraction_enabled: values are read out of the conversation when the node is left.
        extraction_prompt: what holds for all values.
        extraction_variables: the values.
    """

    extraction_enabled: bool = False
    extraction_prompt: str | None = None
    extraction_variables: list[ExtractionVariable] | None = None

    @field_validator("extraction_variables")
    @classmethod
    def _named_once(cls, variables: list[ExtractionVariable] | None) -> list[ExtractionVariable] | None:
        names = [variable.name for variable in variables or ()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"Duplicate extraction variable {twice[0]!r}")
        return variables


class AgentNodeData(ExtractionData):
    """Data of a node that may use tools and documents.

    Attributes:
        tool_uuids: tools that the model may call.
        document_uuids: documents that it may look into.
        mcp_tool_filters: names of the tools that it may call, by MCP server.
    """

    tool_uuids: list[str] | None = None
    document_uuids: list[str] | None = None
    mcp_tool_filters: dict[str, list[str]] | None = None


class StartCallData(AgentNodeData):
    """Data of the node that opens the call.

    Attributes:
        greeting_type: whether the greeting is a text or a recording.
        greeting: text; what is said first, word for word.
        greeting_recording_id: what is played first.
        delayed_start: wait before the first word.
        delayed_start_duration: seconds; 2 where none are said.
        pre_call_fetch_mode: for which calls data is fetched before the first word.
        pre_call_fetch_enabled: an older name of the mode ``always``.
        pre_call_fetch_url: text; where it is fetched.
        pre_call_fetch_credential_uuid: credential that the request carries.
    """

    greeting_type: Literal["text", "audio"] | None = None
    greeting: str | None = None
    greeting_recording_id: str | None = None
    delayed_start: bool = False
    delayed_start_duration: float | None = Field(default=None, ge=0.1, le=10)
    pre_call_fetch_mode: Literal["disabled", "always", "inbound", "outbound"] = "disabled"
    pre_call_fetch_enabled: bool | None = None
    pre_call_fetch_url: str | None = None
    pre_call_fetch_credential_uuid: str | None = None

    @model_validator(mode="after")
    def _older_name(self) -> StartCallData:
        if self.pre_call_fetch_enabled and self.pre_call_fetch_mode == "disabled":
            self.pre_call_fetch_mode = "always"
        return self


class TriggerData(NodeData):
    """Data of the node by which callers start the graph.

    Attributes:
        enabled: without it nobody can.
        trigger_path: last part of the public URL; one is made when it is empty.
    """

    enabled: bool = True
    trigger_path: TriggerPath | None = None


class Header(BaseModel):
    """One HTTP header.

    Attributes:
        key: its name.
        value: text.
    """

    key: str
    value: str


class WebhookData(NodeData):
    """Data of a request that is sent after the call.

    Attributes:
        enabled: without it nothing is sent.
        http_method: of the request.
        endpoint_url: text; where it goes.
        credential_uuid: credential that it carries.
        custom_headers: further headers.
        payload_template: JSON whose texts are templates.
    """

    enabled: bool = True
    http_method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    endpoint_url: str | None = None
    credential_uuid: str | None = None
    custom_headers: list[Header] | None = None
    payload_template: Json = None


class VoiceKind(NodeKind[Any]):
    """A kind that speaks."""

    def texts(self, data: PromptData) -> Sources:
        """Prompts, greeting, the URL of what is fetched."""
        yield "prompt", data.prompt
        if isinstance(data, ExtractionData) and data.extraction_prompt:
            yield "extraction_prompt", data.extraction_prompt
        if isinstance(data, StartCallData) and data.greeting:
            yield "greeting", data.greeting
        if isinstance(data, StartCallData) and data.pre_call_fetch_url:
            yield "pre_call_fetch_url", data.pre_call_fetch_url

    def problems(self, data: PromptData) -> Iterable[tuple[str, str]]:
        """A fetch needs a URL; there is nothing that filters of MCP servers could hold back."""
        if (
            isinstance(data, StartCallData)
            and data.pre_call_fetch_mode != "disabled"
            and not (data.pre_call_fetch_url or "").strip()
        ):
            yield "pre_call_fetch_url", "URL is required when data is fetched before the call"
        if isinstance(data, AgentNodeData) and data.mcp_tool_filters:
            yield "mcp_tool_filters", "Nodes of calls have no MCP servers to filter: put an mcp node on the way instead"


class WebhookKind(NodeKind[WebhookData]):
    """A kind that tells of the call."""

    def texts(self, data: WebhookData) -> Sources:
        """URL, headers, and all texts of the payload."""
        yield "endpoint_url", data.endpoint_url or ""
        for number, header in enumerate(data.custom_headers or ()):
            yield f"custom_headers.{number}.value", header.value
        yield from _texts_in("payload_template", data.payload_template)


def _texts_in(path: str, value: Json) -> Sources:
    """Yield the texts of a JSON value, however deep they are."""
    left = [(path, value)]
    while left:
        path, value = left.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, dict):
            members = cast(JsonObject, value)
            left.extend((f"{path}.{key}", members[key]) for key in reversed(members))
        elif isinstance(value, list):
            items = list(enumerate(cast(list[Json], value)))
            left.extend((f"{path}.{number}", item) for number, item in reversed(items))


_SPEAKS: dict[str, Any] = {"activity": SPEAK, "checkpointed": True, "timeout": 60.0}
_APART = Placement(max_in=0, max_out=0, apart=True)

VOICE_KINDS: tuple[NodeKind[Any], ...] = (
    VoiceKind(
        type=START_CALL, Data=StartCallData, label="Start Call", placement=Placement(max_in=0, at_most=1), **_SPEAKS
    ),
    VoiceKind(type="agentNode", Data=AgentNodeData, label="Agent Node", placement=Placement(min_in=1), **_SPEAKS),
    VoiceKind(
        type=END_CALL, Data=ExtractionData, label="End Call", placement=Placement(min_in=1, max_out=0), **_SPEAKS
    ),
    VoiceKind(
        type=GLOBAL_NODE,
        Data=PromptData,
        label="Global Node",
        placement=Placement(max_in=0, max_out=0, at_most=1, apart=True),
    ),
    # Where an execution is started from does not change how it runs.
    NodeKind(type="trigger", Data=TriggerData, label="Trigger", placement=Placement(max_in=0, at_most=1, apart=True)),
    WebhookKind(
        type=WEBHOOK,
        Data=WebhookData,
        label="Webhook",
        activity=HTTP_REQUEST,
        checkpointed=True,
        timeout=30.0,
        placement=_APART,
    ),
    QaKind(type=QA, Data=QaData, label="QA", activity=RUN_AGENT, checkpointed=True, timeout=300.0, placement=_APART),
)

SPEAKING = frozenset(kind.type for kind in VOICE_KINDS if kind.activity is SPEAK)
"""Types of the nodes that a call goes through."""
