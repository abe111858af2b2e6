"""The one request that most agents make: an agent that has no tools and answers with text.

A loop round it costs a worker as much as the request itself. So it is made without one, and only what brings no answer
is left to a loop, which then goes on from there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.agent import EventStreamHandler
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ThinkingPart
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RunUsage

from activities.metering import cost_of
from cairn.contracts.nodes import NodeCall


def only_answers(call: NodeCall) -> bool:
    """Whether the agent of a call can do nothing but answer with text."""
    return not (call.data.get("tools") or call.data.get("output_schema"))


async def request(
    call: NodeCall, model: Model, settings: ModelSettings, usage: RunUsage, handler: EventStreamHandler[None] | None
) -> ModelResponse:
    """Ask a model what a call asks.

    Args:
        call: prompt, system.
        model: to ask.
        settings: of the request.
        usage: gets what a stream had used that broke off.
        handler: is told the reply while it comes; None: it is taken whole.
    """
    messages = [ModelRequest.user_text_prompt(str(call.data["prompt"]), instructions=call.data.get("system") or None)]
    if handler is None:
        return await model_request(model, messages, model_settings=settings)
    async with model_request_stream(model, messages, model_settings=settings) as stream:
        try:
            await handler(RunContext(deps=None, model=model, usage=usage), stream)
        except BaseException:
            usage.incr(_priced(stream.get()).usage)
            raise
        return stream.get()


def answer_in(reply: ModelResponse, usage: RunUsage) -> str | None:
    """Return the text that a reply is, whose use then is counted; None: it is no answer, or more than that."""
    texts = [part.content for part in reply.parts if isinstance(part, TextPart)]
    other = any(not isinstance(part, TextPart | ThinkingPart) for part in reply.parts)
    if reply.state != "complete" or other or not any(texts):
        return None
    usage.requests += 1
    usage.incr(_priced(reply).usage)
    return "".join(texts)


class Replied(WrapperModel):
    """A model that has replied to its first request already."""

    def __init__(self, model: Model, reply: ModelResponse) -> None:
        """Take the model, and what it has replied."""
        super().__init__(model)
        self._reply: ModelResponse | None = reply

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Give the reply, and from then on ask for a whole one."""
        reply, self._reply = self._reply, None
        return reply or await super().request(messages, model_settings, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Give the reply, which was told already, and from then on ask for one piece by piece."""
        reply, self._reply = self._reply, None
        if reply is not None:
            yield CompletedStreamedResponse(reply, model_request_parameters=model_request_parameters)
            return
        async with super().request_stream(messages, model_settings, model_request_parameters, run_context) as stream:
            yield stream


def _priced(reply: ModelResponse) -> ModelResponse:
    reply.usage.cost = cost_of(reply)
    return reply
