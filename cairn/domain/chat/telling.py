"""A turn told as it is taken: the events of its execution, and what its model writes, as chat events.

The same events have the same numbers whoever reads them, on whichever process: a number is made of the place in the
execution's history and of the piece of the model's text that was told last. So a reader who was cut off goes on after
the last one, and what it has seen already is found again and left out. A reader that is behind is told several pieces
in one ``delta``, which has the number of the last: up to one number all have been told the same text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from cairn.contracts.json import Json, JsonObject, canonical
from cairn.contracts.nodes import CALL_MODEL, RUN_AGENT
from cairn.domain.chat.model import ChatEvent, EventType, Turn
from cairn.domain.conversations.cached import LARGE, cache_id, size_of
from cairn.domain.executions.events import ExecutionEvent
from cairn.graph.subagents import answer_of
from cairn.temporal.direct_calls import may_pass, model_failure

# Bits of a number: of the line's revision the rest, of the place in history, of a try, its piece, and the part.
_LOW, _TRY, _PIECE, _PART = 20, 5, 18, 5

BESIDE = 2**_TRY - 1
"""In place of a try: the event is one of those that are told while sub-agents are at work; its piece says which."""

_WRITING = (RUN_AGENT.name, CALL_MODEL.name)
"""The work in which a model writes."""


class Place(NamedTuple):
    """Where an event stands.

    Attributes:
        seq: of the execution's event; of a text that of the event with which its model began.
        attempt: which try of the model's work; ``piece`` is the last one of its text that was told.
        part: which of the chat events that one event of the execution makes.
    """

    seq: int
    attempt: int
    piece: int
    part: int

    @property
    def number(self) -> int:
        """The number of the chat event."""
        line, low = self.seq >> 32, self.seq & 0xFFFFFFFF
        number = (line << _LOW) + low
        for value, bits in ((self.attempt, _TRY), (self.piece, _PIECE), (self.part, _PART)):
            number = (number << bits) + min(value, 2**bits - 1)
        return number

    @staticmethod
    def last(seq: int) -> int:
        """Return the highest number that a chat event can have at an event of the execution."""
        return Place(seq + 1, 0, 0, 0).number - 1

    @staticmethod
    def of(number: int) -> Place:
        """Return the place of a number."""
        found: list[int] = []
        for bits in (_PART, _PIECE, _TRY, _LOW):
            found.append(number & (2**bits - 1))
            number >>= bits
        part, piece, attempt, low = found
        return Place((number << 32) + low, attempt, piece, part)


class _Told(NamedTuple):
    part: int
    type: EventType
    content: Json
    call_id: str
    parent_id: str | None
    verbose: bool = False


@dataclass
class TurnTeller:
    """Tells a turn, from its beginning.

    Attributes:
        turn: the turn.
        after: number of the last event that its reader has seen already.
    """

    turn: Turn
    after: int = -1
    _text: str = ""
    _thought: bool = False
    _call: str | None = None
    _begun: int = 0
    _attempt: int = 0
    _piece: int = 0
    _started: bool = False
    _spoken: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    _held: list[ExecutionEvent] = field(default_factory=list[ExecutionEvent])

    @property
    def apart(self) -> tuple[int, int] | None:
        """The piece of a text after which its reader goes on."""
        place = Place.of(self.after) if self.after >= 0 else None
        return (place.attempt, place.piece) if place is not None and 0 < place.attempt < BESIDE else None

    def tell(self, event: ExecutionEvent) -> Iterator[ChatEvent]:
        """Yield what an event of the execution means to the reader, unless it was seen already.

        A text and the history come from two places, and readers find them in any order. So that all are told one, a
        turn is paused, and goes on, when the model has written what it was writing.
        """
        if self._call is not None and event.more.get("works"):
            self._held.append(event)
            return
        held: list[ExecutionEvent] = []
        if event.numbered:
            held, self._held = self._held, held
        for each in (*held, event):
            yield from self._tell(each)

    def _tell(self, event: ExecutionEvent) -> Iterator[ChatEvent]:
        for told in self._of(event):
            number = self._place(event, told.part).number
            if number > self.after:
                yield ChatEvent(
                    type=told.type,
                    call_id=told.call_id,
                    parent_call_id=told.parent_id,
                    root_call_id=self.turn.execution_id,
                    content=told.content,
                    timestamp=event.at,
                    seq=number,
                    metadata=self._where(event),
                    verbose=told.verbose,
                )

    def _place(self, event: ExecutionEvent, part: int) -> Place:
        if event.type == "status":
            return Place(event.seq, 0, 0, part)
        seq = event.seq if event.numbered else self._begun
        return Place(seq, self._attempt, self._piece, part)

    def _of(self, event: ExecutionEvent) -> Iterator[_Told]:
        match event.type:
            case "status":
                yield from self._status(event)
            case "node_started":
                yield from self._began(event)
            case "token" | "reasoning":
                yield from self._token(event)
            case "node_completed" | "node_failed":
                yield from self._ended(event)
            case "requests":
                yield from self._requests(event)
            case "reset":
                stands: int = event.more["stands"]
                self._close()
                self._spoken = [each for each in self._spoken if each[0] <= stands]
                yield self._told(0, "restart", {"reset": True, "void_after": Place.last(stands)})
            case _:
                pass

    # The turn.

    def _status(self, event: ExecutionEvent) -> Iterator[_Told]:
        status = event.data["status"]
        if status == "running" and not self._started:
            self._started = True
            named = {"execution_id": self.turn.execution_id, "conversation_id": self.turn.conversation_id}
            yield self._told(0, "start", {**named, "agent_id": self.turn.agent_id})
        elif status in ("running", "paused"):
            yield self._told(0, "status", {"status": status, "detail": event.data["detail"]})
        else:
            if event.more["usage"] is not None:
                yield self._told(2, "usage", usage_of(event.more["usage"]))
            yield self._outcome(status, event.more)

    def _outcome(self, status: str, more: JsonObject) -> _Told:
        if status == "failed":
            failure: JsonObject = more["failure"] or {"code": "execution_failed", "message": "The turn failed."}
            error = model_failure(failure["code"], failure["message"])
            told = {"code": error.code, "message": error.message, "retryable": may_pass(error)}
            return self._told(3, "error", told)
        if status == "cancelled":
            said = self._text or "".join(text for _, text in self._spoken[-1:])
            return self._told(3, "end", {"content": said, "finish_reason": "cancelled"})
        return self._told(3, "end", {"content": answer_of(more["output"]), "finish_reason": "stop"})

    # What the model writes.

    def _began(self, event: ExecutionEvent) -> Iterator[_Told]:
        tool = event.data.get("tool")
        named = self.call_of(event)
        if tool is not None:
            told = {"tool": tool, "arguments": event.more.get("arguments"), "tool_call_id": event.more.get("call_id")}
            told |= event.more.get("subagent", {})
            yield self._told(0, "tool_start", told, named, self._asker(event))
        if event.more.get("activity") not in _WRITING:
            return
        again = named == self._call
        self._close()
        self._call, self._begun = named, event.seq
        content = {"execution_id": self.turn.execution_id, "conversation_id": self.turn.conversation_id}
        kind = "restart" if again else "start"
        yield self._told(0, kind, {**content, "agent_id": self.turn.agent_id}, named, self.turn.execution_id)

    def _token(self, event: ExecutionEvent) -> Iterator[_Told]:
        if self._call is None:
            return
        self._attempt, self._piece = event.data["attempt"], event.more["first"]
        if event.data.get("restart") and (self._text or self._thought):
            # Who has heard nothing has nothing to forget.
            unheard = not self._text
            yield self._void({"attempt": self._attempt})._replace(verbose=unheard)
        self._piece = event.more["number"]
        if event.type == "reasoning":
            self._thought = True
            yield self._told(1, "reasoning", event.data["text"], self._call, self.turn.execution_id, verbose=True)
        elif event.data["text"]:
            yield self._delta(event.data["text"])

    def _ended(self, event: ExecutionEvent) -> Iterator[_Told]:
        tool = event.data.get("tool")
        if tool is not None:
            yield self._told(0, "tool_end", self._brought(event, tool), self.call_of(event), self._asker(event))
        if event.more.get("activity") not in _WRITING:
            return
        if event.type == "node_completed":
            yield from self._rest(event)
            if event.data["usage"] is not None:
                usage = usage_of(event.data["usage"])
                yield self._told(2, "usage", usage, self.call_of(event), self.turn.execution_id, verbose=True)
            if self._text:
                self._spoken.append((event.seq, self._text))
        self._close()

    def _rest(self, event: ExecutionEvent) -> Iterator[_Told]:
        """Tell what is left of what the model has said: its telling may have broken off, or be long past."""
        answer = _answer(event.more["value"])
        if answer is None or (self._text and not isinstance(answer, str)):
            return
        text = answer if isinstance(answer, str) else canonical(answer)
        if text == self._text and not self._unknown(event):
            return
        if self._unknown(event) or not text.startswith(self._text):
            yield self._void({"attempt": event.data["attempt"]})
        yield self._delta(text[len(self._text) :])

    def _unknown(self, event: ExecutionEvent) -> bool:
        """Whether the reader has a part of this text that nobody can find any more."""
        place = Place.of(self.after) if self.after >= 0 else None
        if place is None or not place.attempt or not self._begun <= place.seq < event.seq:
            return False
        return (self._attempt, self._piece) < (place.attempt, place.piece)

    def _close(self) -> None:
        self._text, self._thought, self._call, self._attempt, self._piece = "", False, None, 0, 0

    def _void(self, content: JsonObject) -> _Told:
        self._text, self._thought = "", False
        return self._told(0, "restart", content, self._call, self.turn.execution_id)

    def _delta(self, text: str) -> _Told:
        self._text += text
        return self._told(1, "delta", text, self._call, self.turn.execution_id)

    # Tools and people.

    def _brought(self, event: ExecutionEvent, tool: str) -> JsonObject:
        told: JsonObject = {"tool": tool, "tool_call_id": event.more.get("call_id")}
        if event.type == "node_failed":
            return {**told, "error": {"code": event.data["code"], "message": event.data["message"]}}
        result = event.more["value"]
        if size_of(result) > LARGE:
            return {**told, "cache_id": cache_id(self.turn.execution_id, str(event.more.get("call_id")))}
        return {**told, "result": result}

    def _requests(self, event: ExecutionEvent) -> Iterator[_Told]:
        part = 0
        for side, kinds in (("closed", _CLOSED), ("opened", _OPENED)):
            for request in cast("list[JsonObject]", event.data[side]):
                if (kind := kinds.get(request["kind"])) is not None:
                    asked: JsonObject = event.more[request["request_id"]]
                    made = _ENDS[kind](request, asked) if side == "closed" else _BEGINS[kind](request, asked)
                    yield self._told(part, kind, made, request["request_id"], self.turn.execution_id)
                    part += 1

    def _told(
        self,
        part: int,
        kind: EventType,
        content: Json,
        call_id: str | None = None,
        parent: str | None = None,
        *,
        verbose: bool = False,
    ) -> _Told:
        return _Told(part, kind, content, call_id or self.turn.execution_id, parent, verbose)

    def call_of(self, event: ExecutionEvent) -> str:
        """Return the id of the request to the model, or of the tool's call, that an event is about."""
        call = event.data.get("call")
        place = f"{self.turn.execution_id}:{event.node_id}#{event.data['visit']}"
        return f"{place}:{call}" if call else place

    def _asker(self, event: ExecutionEvent) -> str:
        """Return the id of the model's request that asked for a tool."""
        return self.call_of(event).rpartition(".")[0]

    def _where(self, event: ExecutionEvent) -> JsonObject:
        return {"node_id": event.node_id, "lineage": event.lineage, "visit": event.data.get("visit")}


def usage_of(told: JsonObject) -> JsonObject:
    """Return the use of models as callers see it."""
    return {name: told[name] for name in ("requests", "input_tokens", "output_tokens", "cost")}


def _answer(value: Json) -> Json:
    """Return the answer that a model's work has brought; what it said when it asks for tools; None for nothing."""
    told = _members(value)
    return told.get("answer", told.get("text")) if "history" in told else value


def _members(value: Json) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}


_OPENED: dict[str, EventType] = {"approval": "approval_required", "question": "question_asked"}
_CLOSED: dict[str, EventType] = {"approval": "approval_resolved", "question": "question_answered"}


def _approval(request: JsonObject, asked: JsonObject) -> JsonObject:
    told = {name: asked.get(name) for name in ("tool", "arguments", "prompt", "expires_at")}
    return {"approval_id": request["request_id"], **told}


def _question(request: JsonObject, asked: JsonObject) -> JsonObject:
    told = {name: asked.get(name) for name in ("prompt", "options", "schema", "expires_at")}
    return {"question_id": request["request_id"], **told}


def _decision(request: JsonObject, asked: JsonObject) -> JsonObject:
    answer: JsonObject = asked["answer"] or {}
    told = {"status": request["status"], "by": request["by"], "reason": answer.get("reason")}
    return {"approval_id": request["request_id"], **told, "modified_arguments": answer.get("modified_arguments")}


def _reply(request: JsonObject, asked: JsonObject) -> JsonObject:
    told = {"status": request["status"], "by": request["by"], "answer": asked["answer"]}
    return {"question_id": request["request_id"], **told}


_BEGINS = {"approval_required": _approval, "question_asked": _question}
_ENDS = {"approval_resolved": _decision, "question_answered": _reply}
