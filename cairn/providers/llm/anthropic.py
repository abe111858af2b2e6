"""Models of Anthropic."""

from __future__ import annotations

from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from cairn.providers.llm.keys import NO_CLIENT_RETRIES, need_key, need_name
from cairn.providers.llm.model import ClientFactory, LanguageModel
from cairn.settings import Settings


async def open_model(name: str, settings: Settings, client: ClientFactory) -> LanguageModel:
    """Return a model.

    Raises:
        ModelConfigError: no model is named, or there is no key.
    """
    need_name("anthropic", name, "claude-sonnet-4-6")
    key = need_key("anthropic", settings.anthropic_api_key)
    provider = AnthropicProvider(
        api_key=key,
        base_url=settings.anthropic_base_url,
        http_client=client(),
    )
    model = AnthropicModel(name, provider=provider)
    return LanguageModel(f"anthropic:{name}", model, settings=NO_CLIENT_RETRIES, secret=key)
