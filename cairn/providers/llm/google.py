"""Models of Google's Gemini API."""

from __future__ import annotations

from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider

from cairn.providers.llm.keys import NO_CLIENT_RETRIES, need_key, need_name
from cairn.providers.llm.model import ClientFactory, LanguageModel
from cairn.settings import Settings


async def open_model(name: str, settings: Settings, client: ClientFactory) -> LanguageModel:
    """Return a model.

    Raises:
        ModelConfigError: no model is named, or there is no key.
    """
    need_name("google", name, "gemini-3-flash")
    key = need_key("google", settings.google_api_key)
    provider = GoogleProvider(
        api_key=key,
        base_url=settings.google_base_url,
        http_client=client(),
    )
    model = GoogleModel(name, provider=provider)
    return LanguageModel(f"google:{name}", model, settings=NO_CLIENT_RETRIES, secret=key)
