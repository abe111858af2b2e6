"""Tells what a model writes to those who follow the execution, while it writes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pydantic_ai import RunContext
from pydantic_ai.agent import EventStreamHandler
from pydantic_ai.messages import (
    AgentStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
)
from temporalio import activity

from cairn.contracts.nodes import FINAL_RESULT, NodeCall
from cairn.domain.executions.tokens import TokenStream, TokenWriter, stream_of


@asynccontextmanager
async def telling(writer: TokenWriter | None, call: NodeCall) -> AsyncGenerator[EventStreamHandler[None] | None]:
    """Give what an agent's run takes as ``event_stream_handler``; None when replies are taken whole."""
    if writer is None or call.data.get("unheard"):
        yield None
        return
    info = activity.info()
    async with stream_of(
        writer,
        temporal_id=call.temporal_id,
        run_id=call.run_id,
        node_id=call.node_id,
        visit=call.visit,
        call=call.call,
        attempt=info.attempt,
        scheduled_at=info.current_attempt_scheduled_time,
    ) as stream:

        async def handle(_: RunContext[None], events: AsyncIterable[AgentStreamEvent]) -> None:
            reply = _Reply(stream, reasons=call.data.get("conversation") is not None)
            async for event in events:
                reply.take(event)

        yield handle


@dataclass
class _Reply:
    """One reply of the model; it voids the one before, which was not the answer.

    Attributes:
        reasons: what the model thinks is told, too: in turns of conversations, where people can ask for it.
        gap: between the part of it that begins and those before, if they have told any: providers withhold parts.
    """

    stream: TokenStream
    reasons: bool
    begun: bool = False
    thought: bool = False
    gap: str = ""
    answers: set[int] = field(default_factory=set[int])

    def take(self, event: AgentStreamEvent) -> None:
        reasoning = self._reasoning(event) if self.reasons else None
        if text := reasoning or self._text(event):
            self.stream.write(text, restart=not self.begun, reasoning=bool(reasoning))
            self.begun = True

    def _reasoning(self, event: AgentStreamEvent) -> str | None:
        match event:
            case PartStartEvent(part=ThinkingPart(content=text)):
                self.gap = "\n\n" if self.thought else ""
            case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(text))):
                pass
            case _:
                return None
        if text:
            text, self.gap, self.thought = self.gap + text, "", True
        return text

    def _text(self, event: AgentStreamEvent) -> str | None:
        match event:
            case PartStartEvent(part=TextPart(content=text)):
                return text
            case PartStartEvent(part=ToolCallPart(tool_name=name) as part) if name == FINAL_RESULT:
                self.answers.add(event.index)
                return part.args_as_json_str() if part.args else None
            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                return text
            case PartDeltaEvent(delta=ToolCallPartDelta(args_delta=str(text))) if event.index in self.answers:
                return text
            case _:
                return None
