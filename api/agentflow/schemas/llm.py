"""Direct calls of language models as agentflow takes and answers them; messages and tools are in OpenAI's form."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sse_starlette import ServerSentEvent

from api.kit.body import INTEGRAL, Body
from cairn.contracts.direct_calls import DirectAnswer
from cairn.contracts.json import Json, JsonObject
from cairn.domain.llm.calls import Answered, CallEvent, Question, text_of
from cairn.domain.llm.suggestions import Recommendation, Suggestion
from cairn.errors import FieldError, InvalidInput

ModelId = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=255,
        description="Id of a model (`GET /api/v1/models`); without one, the default of the use case.",
    ),
]
ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class TextPart(Body):
    """A part of a message."""

    type: Literal["text"]
    text: str


class Function(Body):
    """What a tool call calls."""

    name: ToolName
    arguments: str = Field(description="A JSON object as text.", examples=['{"city": "Oslo"}'])


class ToolCall(Body):
    """A tool that the model asks the caller to run."""

    id: str = Field(min_length=1, max_length=255)
    type: Literal["function"] = "function"
    function: Function


class Message(Body):
    """One message."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "user", "content": "Hello!"}]})

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    tool_calls: list[ToolCall] | None = Field(default=None, description="Of an assistant's message.")
    tool_call_id: str | None = Field(default=None, description="Of a tool's message: which call it answers.")

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class FunctionDefinition(Body):
    """A function that the model may ask for."""

    name: ToolName
    description: str | None = Field(default=None, max_length=4096)
    parameters: JsonObject = Field(
        default_factory=lambda: {"type": "object", "properties": {}}, description="JSON Schema of its arguments."
    )


class ToolDefinition(Body):
    """A tool that the model may ask for; the caller runs it and sends the result in a message of role `tool`."""

    type: Literal["function"] = "function"
    function: FunctionDefinition


class NamedSchema(Body):
    """The form of an answer."""

    name: str = Field(default="answer", max_length=64)
    schema_: JsonObject = Field(alias="schema", description="JSON Schema.")


class ResponseFormat(Body):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = Field(default=None, description="With type `json_schema`.")

    @model_validator(mode="after")
    def _with_schema(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema is given with the type json_schema, and with it alone")
        return self

    @property
    def output_schema(self) -> JsonObject | None:
        """The JSON Schema of the answer, None for a text."""
        if self.json_schema is not None:
            return {"title": self.json_schema.name, **self.json_schema.schema_}
        return {"type": "object", "title": "answer"} if self.type == "json_object" else None


class ChatRequest(Body):
    """A conversation that a model is to go on with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "messages": [
                        {"role": "system", "content": "Be brief."},
                        {"role": "user", "content": "What is a cairn?"},
                    ]
                }
            ]
        }
    )

    messages: list[Message] = Field(
        min_length=1,
        max_length=1000,
        description="The last one is of role `user` or `tool`. System messages are joined.",
    )
    model: ModelId = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: Annotated[int, INTEGRAL] | None = Field(default=None, ge=1, le=10_000_000)
    stream: bool = Field(default=False, description="Answer by server-sent events, while the model writes.")
    response_format: ResponseFormat | None = None
    tools: list[ToolDefinition] | None = Field(default=None, max_length=128)

    def question(self) -> Question:
        """Return what the domain is asked.

        Raises:
            InvalidInput: the messages are no conversation that a model can go on with.
        """
        called: set[str] = set()
        system: list[str] = []
        told: list[JsonObject] = []
        for i, message in enumerate(self.messages):
            if message.role in ("system", "developer"):
                system.append(message.text)
            else:
                told.append(_told(message, f"/messages/{i}", called))
        if not told or told[-1]["role"] == "assistant":
            raise _wrong("/messages", "the last message has to be of role user or tool")
        tools = [each.function.model_dump() for each in self.tools or ()]
        if len({each["name"] for each in tools}) < len(tools):
            raise _wrong("/tools", "the names of tools have to differ")
        return Question(
            use_case="chat",
            messages=told,
            model=self.model,
            system="\n\n".join(system) or None,
            tools=tools,
            output_schema=self.response_format.output_schema if self.response_format else None,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
        )


def _told(message: Message, pointer: str, called: set[str]) -> JsonObject:
    """Return a message as the domain takes it; notes the calls of tools that may be answered."""
    calls = message.tool_calls or []
    if message.role == "assistant":
        called.update(each.id for each in calls)
        if not calls and not message.text:
            raise _wrong(f"{pointer}/content", "an assistant's message has a content or tool calls")
        made = [{"id": c.id, "name": c.function.name, "arguments": c.function.arguments} for c in calls]
        return {"role": "assistant", "content": message.text, "tool_calls": made}
    if calls:
        raise _wrong(f"{pointer}/tool_calls", "only an assistant's message has tool calls")
    if message.role == "tool":
        if message.tool_call_id not in called:
            raise _wrong(f"{pointer}/tool_call_id", "names no tool call of a message before")
        return {"role": "tool", "content": message.text, "tool_call_id": message.tool_call_id}
    if not message.text:
        raise _wrong(f"{pointer}/content", "a user's message has a content")
    return {"role": "user", "content": message.text}


def _wrong(pointer: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[FieldError(pointer, message)])


class Usage(BaseModel):
    """What the call used."""

    input_tokens: int
    output_tokens: int
    cost: float | None = Field(description="US dollars; null when the model's price is not known.")


class ChatResponse(BaseModel):
    """What the model answers."""

    id: str
    model: str
    content: str | None = Field(description="A text; with a `response_format` JSON.")
    parsed: Json = Field(default=None, description="With a `response_format`: the value.")
    tool_calls: list[ToolCall] | None = Field(default=None, description="Tools that the caller is asked to run.")
    usage: Usage
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]

    @classmethod
    def of(cls, call_id: str, answer: DirectAnswer) -> ChatResponse:
        """Make it of what the model answered."""
        asked = [
            ToolCall(id=each["id"], function=Function(name=each["name"], arguments=json.dumps(each["arguments"])))
            for each in answer.tool_calls
        ]
        return cls(
            id=call_id,
            model=answer.model,
            content=text_of(answer) or None,
            parsed=None if isinstance(answer.content, str) else answer.content,
            tool_calls=asked or None,
            usage=Usage.model_validate(answer.usage, from_attributes=True),
            finish_reason=answer.finish_reason,  # pyright: ignore[reportArgumentType]
        )

    @classmethod
    def answered(cls, answered: Answered) -> ChatResponse:
        """Make it of a whole answer."""
        return cls.of(answered.id, answered.answer)


class ChatEvent(BaseModel):
    """One event of an answer that is told while it is written."""

    type: Literal["start", "delta", "end", "error"]
    call_id: str
    parent_call_id: str | None = None
    root_call_id: str
    content: str | JsonObject = Field(
        description="start: {model}, and what was told before it is void; delta: text; end: the whole response, as "
        "without `stream`; error: {code, message, retryable}."
    )
    timestamp: datetime
    seq: int
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, event: CallEvent) -> ChatEvent:
        """Make it of what is told."""
        content = event.content
        if event.type == "end" and isinstance(content, dict):
            answer = DirectAnswer.model_validate(content["answer"])
            content = ChatResponse.of(event.call_id, answer).model_dump(mode="json")
        return cls(
            type=event.type,
            call_id=event.call_id,
            root_call_id=event.call_id,
            content=content,
            timestamp=event.timestamp,
            seq=event.seq,
        )


async def server_sent(events: AsyncIterator[CallEvent]) -> AsyncIterator[ServerSentEvent]:
    """Turn what is told of a call into server-sent events."""
    async for event in events:
        yield ServerSentEvent(data=ChatEvent.of(event).model_dump_json(), id=str(event.seq))


class AutocompleteRequest(Body):
    """A text that is being written."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "Thank you for your", "max_suggestions": 3}]})

    text: str = Field(min_length=1, max_length=200_000)
    cursor: Annotated[int, INTEGRAL] | None = Field(
        default=None, ge=0, description="Where it is being written, in characters; default: at its end."
    )
    max_suggestions: Annotated[int, INTEGRAL] = Field(default=3, ge=1, le=10)

    def position(self) -> int:
        """Return where the text goes on.

        Raises:
            InvalidInput: behind its end.
        """
        if self.cursor is not None and self.cursor > len(self.text):
            raise _wrong("/cursor", f"the text has {len(self.text)} characters")
        return len(self.text) if self.cursor is None else self.cursor


class Suggested(BaseModel):
    """What may be inserted at the cursor."""

    text: str
    score: float = Field(ge=0, le=1)


class AutocompleteResponse(BaseModel):
    """What may come next, the likeliest first."""

    suggestions: list[Suggested]

    @classmethod
    def of(cls, found: list[Suggestion]) -> AutocompleteResponse:
        """Make it of what was found."""
        return cls(suggestions=[Suggested.model_validate(each, from_attributes=True) for each in found])


class RecommendRequest(Body):
    """What to recommend for, and out of what."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"context": "A rainy Sunday with two children", "items": ["zoo", "science museum", "open-air pool"]}
            ]
        }
    )

    context: str = Field(min_length=1, max_length=200_000)
    items: list[Json] | None = Field(
        default=None, min_length=1, max_length=500, description="Texts or objects to choose from."
    )
    kind: str | None = Field(
        default=None, min_length=1, max_length=255, description="Without items: what is to be recommended."
    )
    limit: Annotated[int, INTEGRAL] = Field(default=5, ge=1, le=50)

    @model_validator(mode="after")
    def _something(self) -> RecommendRequest:
        if self.items is None and self.kind is None:
            raise ValueError("give items to choose from, or the kind of what is to be recommended")
        return self


class Recommended(BaseModel):
    """What fits, why, and how well."""

    item: Json
    reason: str
    score: float = Field(ge=0, le=1)


class RecommendResponse(BaseModel):
    """What fits best, the best first."""

    recommendations: list[Recommended]

    @classmethod
    def of(cls, found: list[Recommendation]) -> RecommendResponse:
        """Make it of what was found."""
        return cls(recommendations=[Recommended.model_validate(each, from_attributes=True) for each in found])
