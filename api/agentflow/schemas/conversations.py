"""Conversations as agentflow takes and shows them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.agentflow.schemas.chat import Id, Model, Parts, text_of
from api.kit.body import Body, leave_out_default
from cairn.contracts.json import Json, JsonObject
from cairn.domain.chat.runs import Run
from cairn.domain.conversations import model
from cairn.domain.conversations.cached import CachedResult as Cached
from cairn.domain.conversations.formats import Exported
from cairn.domain.conversations.model import MAX_MESSAGE, MAX_TITLE
from cairn.domain.conversations.said import PartType, parts_of
from cairn.domain.conversations.search import Found
from cairn.domain.conversations.timeline import Item, content_of
from cairn.persistence.paging import Page

Title = Annotated[str, Field(min_length=1, max_length=MAX_TITLE)]
FROM_DOMAIN = ConfigDict(from_attributes=True)


class CreateConversation(Body):
    """A conversation that begins."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"agent_id": "5e6f", "title": "Order 17"}]})

    agent_id: str = Field(min_length=1, max_length=255, description="Takes the first turn.")
    title: Title | None = Field(default=None, description="Without one it gets one with its first message.")
    metadata: JsonObject = Field(default_factory=dict, description="Yours; 16 KiB at most.")


class UpdateConversation(Body):
    """What is to be changed; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "completed"}]})

    title: Title = Field(default="", json_schema_extra=leave_out_default)
    status: model.Status | None = Field(default=None, description="In an archived conversation no turn is begun.")
    metadata: JsonObject | None = Field(default=None, description="In place of what was there; 16 KiB at most.")

    def changes(self) -> model.Changes:
        """Return what the domain is told."""
        return model.Changes(self.title or None, self.status, self.metadata)


class Conversation(BaseModel):
    """A conversation."""

    model_config = FROM_DOMAIN

    id: str
    title: str
    agent_id: str = Field(description="Of the agent that took the last turn, or is to take the first.")
    user_id: str | None
    status: model.Status
    channel: str
    metadata: JsonObject
    revision: int = Field(description="+1 for each change.")
    forked_from: str | None = Field(description="The conversation that it began as a copy of.")
    messages_count: int
    last_message_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ConversationList(BaseModel):
    """A page of conversations, newest first."""

    conversations: list[Conversation]
    total: int
    page: int
    page_size: int
    anchor: int | None = Field(description="Sent with the next page, it keeps later conversations out of the pages.")

    @classmethod
    def of(cls, page: Page[model.Conversation]) -> ConversationList:
        """Make it of what the domain found."""
        found = [Conversation.model_validate(each) for each in page.items]
        return cls(conversations=found, total=page.total, page=page.page, page_size=page.page_size, anchor=page.anchor)


class AddMessage(Body):
    """A person's message that no agent answers by itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"content": "The order number is 17."}]})

    content: Annotated[str, Field(min_length=1, max_length=MAX_MESSAGE)] | None = None
    parts: Parts | None = Field(default=None, description="In place of `content`.")
    message_id: Id | None = Field(default=None, description="Of the caller's choice.")

    def message(self) -> model.NewMessage:
        """Return what the domain is told.

        Raises:
            InvalidInput: there is no text, or too much.
        """
        content = text_of(self.parts if self.content is None and self.parts else self.content or "", "/content")
        return model.NewMessage(content, self.message_id) if self.message_id else model.NewMessage(content)


class MessagePart(BaseModel):
    """A part of a message."""

    type: PartType
    at: datetime
    content: Json = Field(description="A text, `{tool, arguments}` or `{tool, result}`.")


class Message(BaseModel):
    """A message."""

    id: str
    role: model.Role
    content: str
    parts: list[MessagePart]
    created_at: datetime
    finished: bool = Field(description="False of an answer that is being written, or was cut short.")
    execution_id: str | None = Field(description="Its turn.")
    checkpoint_id: str | None = Field(description="The latest checkpoint of its turn; with `checkpoints=true`.")

    @classmethod
    def of(cls, message: model.Message, checkpoint_id: str | None = None) -> Message:
        """Make it of what the domain found."""
        parts = parts_of(message.role, message.content, message.said, message.created_at)
        shown = [MessagePart(type=p.type, at=p.at, content=content_of(p, message.execution_id)) for p in parts]
        return cls(
            id=message.id,
            role=message.role,
            content=message.content,
            parts=shown,
            created_at=message.created_at,
            finished=message.finished,
            execution_id=message.execution_id,
            checkpoint_id=checkpoint_id,
        )


class MessageList(BaseModel):
    """A page of messages, oldest first."""

    messages: list[Message]
    total: int
    page: int
    page_size: int

    @classmethod
    def of(cls, page: Page[model.Message], checkpoints: dict[str, str]) -> MessageList:
        """Make it of what the domain found."""
        found = [Message.of(each, checkpoints.get(each.execution_id or "")) for each in page.items]
        return cls(messages=found, total=page.total, page=page.page, page_size=page.page_size)


class Match(BaseModel):
    """A message with the words, which are marked by `<mark>`; the text around them is as it was said."""

    model_config = FROM_DOMAIN

    message_id: str
    snippet: str


class SearchResult(BaseModel):
    """A conversation in which all words stand in the title or in one message."""

    model_config = FROM_DOMAIN

    conversation_id: str
    title: str
    score: float
    matches: list[Match]


class SearchResults(BaseModel):
    """A page of conversations, the best first."""

    results: list[SearchResult]
    total: int
    page: int
    page_size: int
    anchor: int | None = Field(description="Sent with the next page, it leaves out what is said meanwhile.")

    @classmethod
    def of(cls, page: Page[Found]) -> SearchResults:
        """Make it of what the domain found."""
        results = [SearchResult.model_validate(each) for each in page.items]
        return cls(results=results, total=page.total, page=page.page, page_size=page.page_size, anchor=page.anchor)


class TimelineItem(BaseModel):
    """A part of a message, or something that happened to the conversation."""

    model_config = FROM_DOMAIN

    id: str
    type: PartType
    at: datetime
    message_id: str | None
    execution_id: str | None
    content: Json


class Timeline(BaseModel):
    """A stretch of a conversation, oldest first."""

    items: list[TimelineItem]
    next_cursor: str | None

    @classmethod
    def of(cls, found: tuple[list[Item], str | None]) -> Timeline:
        """Make it of what the domain found."""
        return cls(items=[TimelineItem.model_validate(each) for each in found[0]], next_cursor=found[1])


class ConversationUpdate(BaseModel):
    """The `data:` of a snapshot."""

    type: Literal["conversation_update"] = "conversation_update"
    conversation: Conversation
    parts: list[TimelineItem] = Field(description="Of the newest 100 messages.")
    status: Literal["running", "idle"] = Field(description="Whether a turn is under way.")


class RunCheckpoint(BaseModel):
    """A checkpoint of a turn."""

    model_config = FROM_DOMAIN

    id: str
    name: str
    created_at: datetime


class ConversationRun(BaseModel):
    """A turn."""

    model_config = FROM_DOMAIN

    execution_id: str
    message_id: str | None
    status: str
    started_at: datetime
    ended_at: datetime | None
    usage: JsonObject | None
    checkpoints: list[RunCheckpoint]


class ConversationRuns(BaseModel):
    """A page of turns, newest first."""

    runs: list[ConversationRun]
    total: int
    page: int
    page_size: int
    anchor: int | None = Field(description="Sent with the next page, it keeps later turns out of the pages.")

    @classmethod
    def of(cls, page: Page[Run]) -> ConversationRuns:
        """Make it of what the domain found."""
        runs = [ConversationRun.model_validate(each) for each in page.items]
        return cls(runs=runs, total=page.total, page=page.page, page_size=page.page_size, anchor=page.anchor)


class ConversationMarker(BaseModel):
    """Something that happened to a conversation as a whole."""

    model_config = FROM_DOMAIN

    id: str
    kind: model.MarkerKind
    at: datetime
    message_id: str | None = Field(description="The message that it stands after.")
    data: JsonObject
    void: bool = Field(description="A rollback went back over it.")


class MarkerList(BaseModel):
    """All markers, oldest first."""

    markers: list[ConversationMarker]
    total: int

    @classmethod
    def of(cls, found: Iterable[model.Marker]) -> MarkerList:
        """Make it of what the domain found."""
        markers = [ConversationMarker.model_validate(each) for each in found]
        return cls(markers=markers, total=len(markers))


class LlmFormat(BaseModel):
    """A conversation in a provider's form."""

    messages: list[JsonObject]
    tools: list[JsonObject]
    system: str | None = Field(default=None, description="For Anthropic, where it is no message.")

    @classmethod
    def of(cls, made: Exported) -> LlmFormat:
        """Make it of what the domain made."""
        return cls(messages=made.messages, tools=made.tools, system=made.system)


class CachedResult(BaseModel):
    """A large result of a tool."""

    model_config = FROM_DOMAIN

    id: str
    tool: str
    content_type: str
    size: int = Field(description="Bytes as JSON.")
    created_at: datetime
    payload: Json

    @classmethod
    def of(cls, found: Cached) -> CachedResult:
        """Make it of what the domain found."""
        return cls.model_validate(found)


class CachedItems(BaseModel):
    """A stretch of a result's items."""

    items: list[Json]
    total: int

    @classmethod
    def of(cls, items: list[Any], offset: int, limit: int) -> CachedItems:
        """Cut a stretch out."""
        return cls(items=items[offset : offset + limit], total=len(items))


class ToMessage(Body):
    """A message of the conversation."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"message_id": "m-1"}]})

    message_id: str = Field(min_length=1, max_length=255)


class RolledBack(BaseModel):
    """What a rollback did."""

    conversation: Conversation
    marker: ConversationMarker
    discarded_messages: int


class ReplayMessage(ToMessage):
    """A message that is to be answered anew."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"message_id": "m-1", "model": "openai:gpt-5.2"}]})

    model: Model | None = Field(default=None, description="Asked in place of the agent's own.")
    stream: bool = Field(default=True, description="As of `chat`.")
    verbose: bool = Field(default=False, description="As of `chat`.")
