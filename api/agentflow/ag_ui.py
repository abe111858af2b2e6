"""A turn told by AG-UI's events: https://docs.ag-ui.com, its version 1.

The protocol has no place to go on from: a front end that was cut off, or whose run was interrupted for a person's
answer, runs again with the same message. Then it is told by a snapshot which messages there are, without what it has of
the turn's own, and after that the whole turn; after an interrupt the snapshot has what came before it. So nothing is
lost and nothing doubled.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence
from typing import Any, cast

from ag_ui.core import (
    AssistantMessage,
    BaseEvent,
    CustomEvent,
    FunctionCall,
    Interrupt,
    Message,
    MessagesSnapshotEvent,
    ReasoningEndEvent,
    ReasoningMessage,
    ReasoningMessageContentEvent,
    ReasoningMessageEndEvent,
    ReasoningMessageStartEvent,
    ReasoningStartEvent,
    RunErrorEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCall,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
    ToolMessage,
)
from ag_ui.core.version import PROTOCOL_VERSION
from sse_starlette import ServerSentEvent

from api.agentflow.schemas.ag_ui import RunAgent
from cairn.contracts.json import JsonObject, canonical
from cairn.domain.chat import ChatEvent, Turn
from cairn.domain.chat.asked import Asked, until_asked
from cairn.errors import CairnError
from cairn.observability import get_logger

_log = get_logger("cairn.api")

_OF_PEOPLE = ("approval_required", "approval_resolved", "question_asked", "question_answered")
"""What is told of sub-agents, too: the protocol has one run, whose tools they are."""

_OF_REQUESTS = ("reasoning", "restart")
"""Of what is told to those alone who want to know more."""

APPROVAL: JsonObject = {
    "type": "object",
    "required": ["approved"],
    "properties": {
        "approved": {"type": "boolean"},
        "editedArgs": {"type": "object", "description": "In place of the tool's arguments."},
        "reason": {"type": "string"},
    },
}
"""JSON Schema of the answer to an approval."""


async def run_events(teller: RunTeller, events: AsyncGenerator[ChatEvent]) -> AsyncIterator[ServerSentEvent]:
    """Turn what is told of a turn, from its beginning, into server-sent events of a run."""
    async for event in teller.run(events):
        yield ServerSentEvent(event.model_dump_json(by_alias=True))


class RunTeller:
    """Tells one run."""

    def __init__(self, asked: RunAgent, turn: Turn, answered: Collection[str] = ()) -> None:
        """Take what the front end has sent, the turn that it follows, and the interrupts that it has answered."""
        self._asked = asked
        self._turn = turn
        self._answered = answered
        # What comes before these were asked is told by a snapshot.
        self._awaited = {each.interrupt_id for each in asked.resume or ()}
        self._messages: list[Message] = []
        self._since: dict[str, int] = {}  # number of the event that each message, and each call of a tool, began with
        self._open: AssistantMessage | ReasoningMessage | None = None

    async def run(self, events: AsyncGenerator[ChatEvent]) -> AsyncGenerator[BaseEvent]:
        """Yield the run's events."""
        yield self._started()
        if len(self._asked.messages) > len(self._asked.before) and not self._awaited:
            yield self._snapshot(self._asked.messages)
        try:
            async for event in until_asked(events, self._answered):
                if not isinstance(event, Asked) and not _of_the_run(event):
                    continue
                told = list(self._tell(event))
                for each in self._from_there(event, told) if self._awaited else told:
                    yield each
        except CairnError as error:  # the turn goes on, and may be followed by another run
            _log.warning("event stream was cut", code=error.code)
            yield RunErrorEvent(message=error.message, code=error.code)

    def _from_there(self, event: ChatEvent | Asked, told: list[BaseEvent]) -> Iterator[BaseEvent]:
        """Yield a snapshot once all interrupts were reached that the run resumes, or when nothing comes any more."""
        if not isinstance(event, Asked):
            self._awaited.discard(event.call_id)
        last = isinstance(event, Asked) or event.type in ("end", "error")
        if last or not self._awaited:
            self._awaited.clear()
            self._open = None
            yield self._snapshot()
            if last:
                yield told[-1]

    def _tell(self, event: ChatEvent | Asked) -> Iterator[BaseEvent]:
        if isinstance(event, Asked):
            yield from self._interrupted(event)
            return
        match event.type:
            case "restart" if isinstance(event.content, dict) and "void_after" in event.content:
                yield from self._back(event)
            case "start" | "restart":
                yield from self._anew(event)
            case "delta":
                yield from self._delta(event, self._message(event, event.call_id))
            case "reasoning":
                yield from self._delta(event, self._reasoning(event))
            case "tool_start":
                yield from self._called(event)
            case "tool_end":
                yield self._brought(event)
            case "end" | "error":
                yield from self._ended(event)
            case _:
                yield from self._close()
                yield CustomEvent(name=event.type, value=event.content, timestamp=_milliseconds(event))

    # The run.

    def _started(self) -> RunStartedEvent:
        turn: dict[str, Any] = {"execution_id": self._turn.execution_id, "conversation_id": self._turn.conversation_id}
        return RunStartedEvent(**self._named, protocol_version=PROTOCOL_VERSION, metadata=turn)

    def _interrupted(self, event: Asked) -> Iterator[BaseEvent]:
        yield from self._close()
        yield self._snapshot()
        outcome = RunFinishedInterruptOutcome(interrupts=[_interrupt(each) for each in event.requests])
        yield RunFinishedEvent(**self._named, outcome=outcome)

    def _ended(self, event: ChatEvent) -> Iterator[BaseEvent]:
        yield from self._close()
        content: Any = event.content
        at = _milliseconds(event)
        if event.type == "error":
            yield RunErrorEvent(message=content["message"], code=content["code"], timestamp=at)
            return
        cancelled = content["finish_reason"] == "cancelled"
        outcome = RunFinishedCancelledOutcome() if cancelled else RunFinishedSuccessOutcome()
        yield RunFinishedEvent(**self._named, result=content["content"], outcome=outcome, timestamp=at)

    @property
    def _named(self) -> dict[str, Any]:
        return {"thread_id": self._asked.thread_id, "run_id": self._asked.run_id}

    def _snapshot(self, void: Sequence[Message] = ()) -> MessagesSnapshotEvent:
        """Tell which messages there are. A client keeps reasoning that is in none: what is void is told to be empty."""
        messages = [*self._asked.before, *(each.model_copy(deep=True) for each in self._messages)]  # they grow
        known = {each.id for each in messages}
        gone = [each for each in void if isinstance(each, ReasoningMessage) and each.id not in known]
        return MessagesSnapshotEvent(messages=[*messages, *(each.model_copy(update={"content": ""}) for each in gone)])

    # What the model writes.

    def _anew(self, event: ChatEvent) -> Iterator[BaseEvent]:
        """Take back what a request to the model has told, and all that followed from it."""
        yield from self._close()
        void = event.call_id, _reasoning_id(event.call_id)
        place = next((i for i, each in enumerate(self._messages) if each.id in void), None)
        if place is not None:
            self._messages, void = self._messages[:place], self._messages[place:]
            yield self._snapshot(void)

    def _back(self, event: ChatEvent) -> Iterator[BaseEvent]:
        """Take back what a reset of the turn voids."""
        yield from self._close()
        content: Any = event.content
        void = {each for each, since in self._since.items() if since > content["void_after"]}
        for each in self._messages:
            if isinstance(each, AssistantMessage) and each.tool_calls:
                each.tool_calls = [call for call in each.tool_calls if call.id not in void] or None
        gone = [each for each in self._messages if each.id in void]
        self._messages = [each for each in self._messages if each.id not in void]
        if void:
            self._since = {each: since for each, since in self._since.items() if each not in void}
            yield self._snapshot(gone)

    def _delta(self, event: ChatEvent, message: AssistantMessage | ReasoningMessage) -> Iterator[BaseEvent]:
        told: dict[str, Any] = {"message_id": message.id, "timestamp": _milliseconds(event)}
        thinks = isinstance(message, ReasoningMessage)
        if self._open is not message:
            yield from self._close()
            self._open = message
            if thinks:
                yield ReasoningStartEvent(**told)
                yield ReasoningMessageStartEvent(**told)
            else:
                yield TextMessageStartEvent(role="assistant", **told)
        text = str(event.content)
        message.content = (message.content or "") + text
        yield (
            ReasoningMessageContentEvent(delta=text, **told) if thinks else TextMessageContentEvent(delta=text, **told)
        )

    def _close(self) -> Iterator[BaseEvent]:
        message, self._open = self._open, None
        if isinstance(message, ReasoningMessage):
            yield ReasoningMessageEndEvent(message_id=message.id)
            yield ReasoningEndEvent(message_id=message.id)
        elif message is not None:
            yield TextMessageEndEvent(message_id=message.id)

    def _reasoning(self, event: ChatEvent) -> ReasoningMessage:
        id = _reasoning_id(event.call_id)
        for each in self._messages:
            if each.id == id and isinstance(each, ReasoningMessage):
                return each
        self._messages.append(made := ReasoningMessage(id=id, content=""))
        self._since[id] = event.seq
        return made

    def _message(self, event: ChatEvent, id: str) -> AssistantMessage:
        for each in self._messages:
            if each.id == id and isinstance(each, AssistantMessage):
                return each
        self._messages.append(made := AssistantMessage(id=id))
        self._since[id] = event.seq
        return made

    # Tools.

    def _called(self, event: ChatEvent) -> Iterator[BaseEvent]:
        content: Any = event.content
        id, name, arguments = event.call_id, content["tool"], canonical(content["arguments"])
        yield from self._close()
        message = self._message(event, event.parent_call_id or self._turn.execution_id)
        self._since[id] = event.seq
        call = next((each for each in message.tool_calls or () if each.id == id), None)
        if call is not None:  # a reset has it called anew
            call.function = FunctionCall(name=name, arguments=arguments)
            self._messages = [each for each in self._messages if getattr(each, "tool_call_id", None) != id]
            yield self._snapshot()
            return
        made = ToolCall(id=id, function=FunctionCall(name=name, arguments=arguments))
        message.tool_calls = [*(message.tool_calls or ()), made]
        at = _milliseconds(event)
        yield ToolCallStartEvent(tool_call_id=id, tool_call_name=name, parent_message_id=message.id, timestamp=at)
        yield ToolCallArgsEvent(tool_call_id=id, delta=arguments, timestamp=at)
        yield ToolCallEndEvent(tool_call_id=id, timestamp=at)

    def _brought(self, event: ChatEvent) -> ToolCallResultEvent:
        told: Any = event.content
        result = told.get("result")
        text = result if isinstance(result, str) else canonical(result)
        for name in ("error", "cache_id"):
            if name in told:
                text = canonical({name: told[name]})
        id, call, at = f"{event.call_id}:result", event.call_id, _milliseconds(event)
        self._messages.append(ToolMessage(id=id, tool_call_id=call, content=text))
        self._since[id] = event.seq
        return ToolCallResultEvent(message_id=id, tool_call_id=call, content=text, role="tool", timestamp=at)


def _of_the_run(event: ChatEvent) -> bool:
    """Whether an event is told: the protocol has one run, in which the tools of sub-agents are its own."""
    if event.subagent is not None:
        return event.type in _OF_PEOPLE
    return not event.verbose or event.type in _OF_REQUESTS


def _reasoning_id(call_id: str) -> str:
    return f"{call_id}:reasoning"


def _interrupt(asked: JsonObject) -> Interrupt:
    """Return what a person is asked, as front ends show it."""
    told = {"message": asked["prompt"], "expires_at": asked["expires_at"]}
    if asked["type"] == "approval_required":
        more = {"tool": asked["tool"], "arguments": asked["arguments"]}
        return Interrupt(
            id=asked["approval_id"], reason="confirmation", response_schema=APPROVAL, metadata=more, **told
        )
    schema = cast("JsonObject", asked["schema"]) if isinstance(asked["schema"], dict) else None
    return Interrupt(
        id=asked["question_id"],
        reason="input_required",
        response_schema=schema,
        metadata={"options": asked["options"]},
        **told,
    )


def _milliseconds(event: ChatEvent) -> int:
    return int(event.timestamp.timestamp() * 1000)
