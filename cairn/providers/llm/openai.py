"""Models of OpenAI, and of every server that speaks its chat completions (vLLM, Ollama, LiteLLM, gateways, ...)."""

from __future__ import annotations

import os

from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider

from cairn.providers.llm.keys import NO_CLIENT_RETRIES, find_key, need_key, need_name
from cairn.providers.llm.model import ClientFactory, LanguageModel
from cairn.settings import Settings

_NO_KEY = "none"

# A stream that a proxy ended in the middle looks like a whole one but for this.
_PROFILE = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)


async def open_model(name: str, settings: Settings, client: ClientFactory) -> LanguageModel:
    """Return a model; a server of one's own (``CAIRN_OPENAI_BASE_URL``) may go without a key.

    Raises:
        ModelConfigError: no model is named, or OpenAI's own service has no key.
    """
    need_name("openai", name, "gpt-5.2")
    base_url = settings.openai_base_url or os.environ.get("OPENAI_BASE_URL")
    if base_url:
        key = find_key("openai", settings.openai_api_key) or _NO_KEY
    else:
        key = need_key("openai", settings.openai_api_key)
    provider = OpenAIProvider(base_url=base_url, api_key=key, http_client=client())
    model = OpenAIChatModel(name, provider=provider, profile=_PROFILE)
    secret = "" if key == _NO_KEY else key
    return LanguageModel(f"openai:{name}", model, settings=NO_CLIENT_RETRIES, secret=secret)
