"""The nodes of voice graphs: what a phone conversation is made of.

They are authored, versioned and published like any other; a graph that begins with a Start Call cannot be executed yet.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from cairn.contracts.json import Json
from cairn.graph.nodes.base import Name, NodeData, NodeKind, Placement, Sources

START_CALL = "startCall"

TriggerPath = Annotated[str, StringConstraints(max_length=36, pattern=r"^[A-Za-z0-9_-]*$")]


class ExtractionVariable(BaseModel):
    """One value that is read out of a conversation."""

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
    """Data of a node at whose end values are extracted."""

    extraction_enabled: bool = False
    extraction_prompt: str | None = None
    extraction_variables: list[ExtractionVariable] | None = None


class AgentNodeData(ExtractionData):
    """Data of a node that may use tools and documents."""

    tool_uuids: list[str] | None = None
    document_uuids: list[str] | None = None
    mcp_tool_filters: dict[str, list[str]] | None = None


class StartCallData(AgentNodeData):
    """Data of the node that opens the call.

    Attributes:
        delayed_start_duration: seconds.
    """

    greeting_type: Literal["text", "audio"] | None = None
    greeting: str | None = None
    greeting_recording_id: str | None = None
    delayed_start: bool = False
    delayed_start_duration: float | None = Field(default=None, ge=0.1, le=10)
    pre_call_fetch_mode: Literal["disabled", "always", "inbound", "outbound"] = "disabled"
    pre_call_fetch_url: str | None = None
    pre_call_fetch_credential_uuid: str | None = None


class TriggerData(NodeData):
    """Data of the node by which callers start the graph.

    Attributes:
        trigger_path: last part of the public URL; one is made when it is empty.
    """

    enabled: bool = True
    trigger_path: TriggerPath | None = None


class Header(BaseModel):
    """One HTTP header."""

    key: str
    value: str


class WebhookData(NodeData):
    """Data of a request that is sent after the call."""

    enabled: bool = True
    http_method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    endpoint_url: str | None = None
    credential_uuid: str | None = None
    custom_headers: list[Header] | None = None
    payload_template: Json = None


class QaData(NodeData):
    """Data of the judgement of a call.

    Attributes:
        qa_min_call_duration: seconds.
        qa_sample_rate: per cent of the calls.
    """

    qa_enabled: bool = True
    qa_use_workflow_llm: bool = True
    qa_provider: str | None = None
    qa_model: str | None = None
    qa_api_key: str | None = None
    qa_endpoint: str | None = None
    qa_system_prompt: str | None = None
    qa_min_call_duration: int = Field(default=15, ge=0)
    qa_voicemail_calls: bool = False
    qa_sample_rate: int = Field(default=100, ge=1, le=100)


class VoiceKind(NodeKind[Any]):
    """A kind that speaks."""

    def texts(self, data: PromptData) -> Sources:
        """Prompt and greeting."""
        yield "prompt", data.prompt
        if isinstance(data, StartCallData) and data.greeting:
            yield "greeting", data.greeting


_APART = Placement(max_in=0, max_out=0, apart=True)

VOICE_KINDS: tuple[NodeKind[Any], ...] = (
    VoiceKind(
        type=START_CALL,
        Data=StartCallData,
        executable=False,
        label="Start Call",
        placement=Placement(max_in=0, at_most=1),
    ),
    VoiceKind(
        type="agentNode", Data=AgentNodeData, executable=False, label="Agent Node", placement=Placement(min_in=1)
    ),
    VoiceKind(
        type="endCall",
        Data=ExtractionData,
        executable=False,
        label="End Call",
        placement=Placement(min_in=1, max_out=0),
    ),
    VoiceKind(
        type="globalNode",
        Data=PromptData,
        executable=False,
        label="Global Node",
        placement=Placement(max_in=0, max_out=0, at_most=1, apart=True),
    ),
    # Where an execution is started from does not change how it runs.
    NodeKind(type="trigger", Data=TriggerData, label="Trigger", placement=Placement(max_in=0, at_most=1, apart=True)),
    NodeKind(type="webhook", Data=WebhookData, executable=False, label="Webhook", placement=_APART),
    NodeKind(type="qa", Data=QaData, executable=False, label="QA", placement=_APART),
)
