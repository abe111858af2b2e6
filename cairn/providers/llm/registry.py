"""Language models by name."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import httpx2
from pydantic_ai.models import create_async_httpx2_client

from cairn.providers.llm.model import LanguageModel, ModelConfigError, Provider
from cairn.providers.llm.own import OwnModel, open_own
from cairn.settings import Settings

# Imported at first use: a provider's SDK takes up to a second.
_MODULES = {name: f"cairn.providers.llm.{name}" for name in ("openai", "anthropic", "google", "local", "offline")}


def provider_of(name: str) -> tuple[str, str]:
    """Return the provider of a model's name, and what the model is called there.

    Raises:
        ModelConfigError: there is no such provider.
    """
    kind, _, model = name.partition(":")
    if kind not in _MODULES:
        raise ModelConfigError(
            f"Model {name!r} has no known provider. Write provider:model with one of: {', '.join(sorted(_MODULES))}"
        )
    return kind, model


class LanguageModels:
    """The models of an installation; each is opened once, and all share one HTTP client."""

    def __init__(self, settings: Settings) -> None:
        """Open nothing yet."""
        self._settings = settings
        self._models: dict[str, LanguageModel] = {}
        self._client: httpx2.AsyncClient | None = None
        self._lock = asyncio.Lock()

    async def resolve(self, name: str | None) -> LanguageModel:
        """Return the model of a name such as ``openai:gpt-5.2``, ``local`` or ``offline``; None is the default model.

        Raises:
            ModelConfigError: unknown provider, no model named, no key, or something is not installed.
        """
        name = name or self._settings.default_model
        async with self._lock:
            if name not in self._models:
                self._models[name] = await self._open(name)
            return self._models[name]

    @asynccontextmanager
    async def own(self, own: OwnModel) -> AsyncGenerator[LanguageModel]:
        """Open a model with a key or at a base URL of its author, for one call; nothing of it is shared.

        Raises:
            ModelConfigError: unknown provider, or a key or base URL is missing.
        """
        async with open_own(own, self._settings) as model:
            yield model

    async def _open(self, name: str) -> LanguageModel:
        kind, model = provider_of(name)
        module = await asyncio.to_thread(importlib.import_module, _MODULES[kind])
        return await cast("Provider", module).open_model(model, self._settings, self._shared_client)

    def _shared_client(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = create_async_httpx2_client()
        return self._client

    async def aclose(self) -> None:
        """Close the connections of all models."""
        self._models.clear()
        if self._client is not None:
            await self._client.aclose()
            self._client = None
