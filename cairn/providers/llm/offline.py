"""The provider ``offline``: no language model, but templates over the input and the results of tools.

It lets graphs be tried and tested without a key or a network: the same input has the same answer. It calls a tool when
the prompt shares words with the tool's description and holds its arguments; it fills an output schema with values that
it finds in the input; any other answer is a text that says what it is and quotes the sentences that bear on the prompt.
It uses no tokens and costs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from cairn.providers.llm import offline_calls
from cairn.providers.llm.model import ClientFactory, LanguageModel, ModelConfigError, ModelLimit
from cairn.providers.llm.offline_schema import fill
from cairn.providers.llm.offline_text import Material, compose
from cairn.providers.llm.offline_tools import Conversation, plan_calls
from cairn.providers.llm.replayed import stream_of
from cairn.settings import Settings

NAME = "offline"
DESCRIPTION = "Offline answer (made from templates, not by a language model)"


async def open_model(name: str, settings: Settings, client: ClientFactory) -> LanguageModel:
    """Return the offline provider as a model.

    Raises:
        ModelConfigError: a model is named, but there is none to name.
    """
    if name:
        raise ModelConfigError("The offline provider has no models: write offline")
    return LanguageModel(NAME, _Offline(answer, model_name=NAME), free=True, remote=False)


async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Answer one request of an agent.

    Raises:
        ModelLimit: the output schema asks for values that are not in the input.
    """
    if offline_calls.speaks(info.instructions):
        return _response(*offline_calls.reply(messages, info.function_tools, info.instructions or ""))
    conversation = Conversation.of(messages)
    if offline_calls.extracts(info.instructions) and info.output_tools and not conversation.rejection:
        tool = info.output_tools[0]
        found = offline_calls.values(tool.parameters_json_schema, conversation.prompt)
        return _response(ToolCallPart(tool.name, found, "answer"))
    calls = plan_calls(conversation, info.function_tools)
    if calls:
        return _response(*calls)
    material = Material.of(conversation.prompt, conversation.results)
    if not info.output_tools:
        return _response(TextPart(compose(DESCRIPTION, material)))
    if conversation.rejection:
        raise ModelLimit(f"The offline provider's answer was not accepted: {conversation.rejection}")
    tool = info.output_tools[0]
    return _response(ToolCallPart(tool.name, fill(tool.parameters_json_schema, material), "answer"))


class _Offline(FunctionModel):
    """Tells its answers word by word when it is asked to stream."""

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        response = await self.request(messages, model_settings, model_request_parameters)
        yield stream_of(response, model_request_parameters)


def _response(*parts: TextPart | ToolCallPart) -> ModelResponse:
    # A detail keeps pydantic-ai from estimating tokens where no model used any.
    return ModelResponse(parts=parts, usage=RequestUsage(details={"offline_requests": 1}))
