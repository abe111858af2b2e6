"""Direct calls of a model, outside of any graph: payloads of the workflow ``DirectCall`` and of its activity."""

from __future__ import annotations

from pydantic import BaseModel, Field

from cairn.contracts.activity_ref import ActivityRef
from cairn.contracts.executions import Usage
from cairn.contracts.json import Json, JsonObject

DIRECT_CALL_WORKFLOW_TYPE = "DirectCall"

DIRECT_CALL_NODE = "call"
"""What stands for the node in the tokens of a direct call."""


class DirectRequest(BaseModel):
    """Argument of the ``DirectCall`` workflow and of its activity; it holds no key.

    Attributes:
        tenant: who asks.
        live: False for a test key.
        user_id: for whom, by the user of the key.
        use_case: what for: whose default model is taken when none is named.
        model: as the caller names it.
        system: what the model is told to be.
        messages: user, assistant and tool messages in OpenAI's form, their contents texts.
        tools: what the model may ask for: ``{name, description, parameters}``; the caller runs them.
        output_schema: JSON Schema of the answer; None for text.
        timeout: seconds that all tries may take.
        streamed: somebody reads along.
    """

    tenant: str
    live: bool = True
    user_id: str | None = None
    use_case: str
    model: str | None = None
    system: str | None = None
    messages: list[JsonObject]
    tools: list[JsonObject] = Field(default_factory=list[JsonObject])
    output_schema: JsonObject | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float
    streamed: bool = False


class DirectAnswer(BaseModel):
    """Result of the workflow and of its activity.

    Attributes:
        model: id of the model that answered.
        content: a text, or what satisfies the schema; None beside tool calls.
        tool_calls: ``{id, name, arguments}``.
        finish_reason: stop, length, tool_calls or content_filter.
    """

    model: str
    content: Json = None
    tool_calls: list[JsonObject] = Field(default_factory=list[JsonObject])
    usage: Usage
    finish_reason: str


CALL_DIRECTLY = ActivityRef("call_directly", DirectRequest, DirectAnswer)
