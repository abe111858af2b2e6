"""A turn as front ends that speak AG-UI ask for it: https://docs.ag-ui.com, its version 1."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, NamedTuple, cast

from ag_ui.core import ContentPart, EventType, Message, RunAgentInput, TextPart, UserMessage
from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from api.agentflow.schemas.chat import MESSAGE_ID, text_of
from api.agentflow.schemas.chat import TextPart as Part
from cairn.contracts.json import Json, JsonObject, canonical
from cairn.contracts.requests import RequestKind
from cairn.domain import chat
from cairn.domain.requests.model import Reply
from cairn.errors import FieldError, InvalidInput

_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
_OBJECTS = {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "null"}]}
_SCHEMA: JsonObject = {
    "type": "object",
    "title": "RunAgent",
    "description": "AG-UI's `RunAgentInput`, as its clients send it. The last message of the user is what is said. "
    "`state`, `tools`, `context` and `forwardedProps` are the front end's own: the agent is told nothing of them.",
    "required": ["threadId", "runId", "messages"],
    "properties": {
        "threadId": {
            **_NAME,
            "description": "The caller's name of the conversation, or its id. Under a new name one begins.",
        },
        "runId": {**_NAME, "description": "Of the caller's choice; the run's events tell it."},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["id", "role"],
                "properties": {"id": {"type": "string"}, "role": {"type": "string"}},
            },
        },
        "resume": {
            **_OBJECTS,
            "description": "Answers to the interrupts that ended the last run: `{interruptId, status, payload}`.",
        },
        "tools": _OBJECTS,
        "context": _OBJECTS,
        "state": {},
        "forwardedProps": {},
    },
    "examples": [
        {
            "threadId": "t-1",
            "runId": "r-1",
            "messages": [{"id": "m-1", "role": "user", "content": "How much is 6 * 7?"}],
            "tools": [],
            "context": [],
        }
    ],
}


class RunAgent(RunAgentInput):
    """What a front end sends that speaks AG-UI."""

    thread_id: Annotated[str, Field(min_length=1, max_length=255)]
    run_id: Annotated[str, Field(min_length=1, max_length=255)]

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonObject:
        """Describe it without all kinds of messages, whose description is AG-UI's."""
        return _SCHEMA

    @classmethod
    def of(cls, turn: chat.Turn, text: str) -> RunAgent:
        """Make one that asks for a turn that was begun otherwise, by a text."""
        said = UserMessage(id=turn.message_id, content=text)
        return cls(thread_id=turn.conversation_id, run_id=turn.execution_id, messages=[said])

    def said(self, key: str | None) -> chat.Ask:
        """Return what the domain is told; ``key`` is not needed, for the message has an id.

        Raises:
            InvalidInput: there is no message of the user, or it is no text.
        """
        place, said = self._last
        content: Any = said.content
        if not isinstance(content, str):
            content = [_text(part, place, index) for index, part in enumerate(cast("list[ContentPart]", content))]
        text = text_of(content, f"/messages/{place}/content")
        return chat.Ask(content=text, message_id=_message_id(said.id), thread_id=self.thread_id)

    @property
    def before(self) -> list[Message]:
        """The messages to the user's last one; what comes after it is what was told of its turn."""
        return self.messages[: self._last[0] + 1]

    @property
    def _last(self) -> tuple[int, UserMessage]:
        found = [(place, each) for place, each in enumerate(self.messages) if isinstance(each, UserMessage)]
        if not found:
            raise InvalidInput(
                "There is no message of the user.", errors=[FieldError("/messages", "must have one of role `user`")]
            )
        return found[-1]

    def answers(self) -> list[InterruptAnswer]:
        """Return what is said to those interrupts that the run resumes.

        Raises:
            InvalidInput: an answer has not the form that its interrupt asked for.
        """
        return [
            InterruptAnswer(
                kind="question" if entry.interrupt_id.startswith("qst_") else "approval",
                request_id=entry.interrupt_id,
                reply=_reply(entry.interrupt_id, entry.status, entry.payload, place),
                key=_key(self.thread_id, entry.interrupt_id, entry.status, entry.payload),
            )
            for place, entry in enumerate(self.resume or ())
        ]


class InterruptAnswer(NamedTuple):
    """What is said to an interrupt: an approval, or a question; ``key`` is the same when the same is said again."""

    kind: RequestKind
    request_id: str
    reply: Reply
    key: str


class AgUiEvent(BaseModel):
    """The `data:` of an event of AG-UI: https://docs.ag-ui.com/concepts/events."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(json_schema_extra={"enum": [each.value for each in EventType]})


def _text(part: ContentPart, place: int, index: int) -> Part:
    if not isinstance(part, TextPart):
        said = "is not a text: the agent reads texts"
        raise InvalidInput("The message is no text.", errors=[FieldError(f"/messages/{place}/content/{index}", said)])
    return Part(type="text", text=part.text)


def _message_id(id: str) -> str:
    """Return the id of the message in Cairn: the front end's, where it can be one."""
    return id if re.fullmatch(MESSAGE_ID, id) else f"msg_{hashlib.sha256(id.encode()).hexdigest()[:32]}"


def _reply(id: str, status: str, payload: Json, place: int) -> Reply:
    if status == "cancelled":
        return Reply("cancelled", reason="The request was cancelled")
    if id.startswith("qst_"):
        return Reply("answered", answer=payload)
    told = cast("JsonObject", payload) if isinstance(payload, dict) else {}
    approved, edited, reason = (told.get(name) for name in ("approved", "editedArgs", "reason"))
    if not (isinstance(approved, bool) and isinstance(edited, dict | None) and isinstance(reason, str | None)):
        said = "must be {approved: boolean, editedArgs?: object, reason?: string}"
        raise InvalidInput(
            "The answer is not what was asked for", errors=[FieldError(f"/resume/{place}/payload", said)]
        )
    return Reply(
        "approved" if approved else "denied", reason=reason, modified_arguments=cast("JsonObject | None", edited)
    )


def _key(thread: str, id: str, status: str, payload: Json) -> str:
    return f"ag-ui/{hashlib.sha256(canonical([thread, id, status, payload]).encode()).hexdigest()}"
